/* Files by name: what they are, who may use them, names for them, directories. */
#include "probe.h"
#include <dirent.h>
#include <ftw.h>
#include <glob.h>
#include <sys/inotify.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <utime.h>
#include <wordexp.h>
#ifdef __GLIBC__
#include <fts.h>
#endif

static struct stat st;
static struct statfs fs;
static struct statvfs vfs;
static struct timespec when[2] = { { 1, 2 }, { 3, 4 } };
static struct timeval then[2] = { { 1, 2 }, { 3, 4 } };
static struct utimbuf times_of = { 1, 3 };
static DIR *d;
static glob_t matches;
static wordexp_t expanded;
static struct dirent **list;
static char name[64];

static const char *template(const char *text)
{
	return L(strcpy)(name, text);
}

static int visit(const char *path, const struct stat *found, int kind)
{
	return (void)path, (void)found, (void)kind, 0;
}

static int visit_more(const char *path, const struct stat *found, int kind, struct FTW *where)
{
	return (void)path, (void)found, (void)kind, (void)where, 0;
}

static DIR *opened(void)
{
	L(close)(directory("d"));
	return d = L(opendir)("d");
}

/* What a file is. Before glibc 2.33 these are inline functions around the ones with the underscores. */
PROBE(stat, "", file("f"), NUMBER(L(stat)("f", &st)))
PROBE(stat, "not there", , NUMBER(L(stat)("f", &st)))
PROBE(lstat, "", file("f"), NUMBER(L(lstat)("f", &st)))
PROBE(fstat, "", int fd = file("f"), NUMBER(L(fstat)(fd, &st)))
PROBE(fstatat, "no flags", file("f"), NUMBER(L(fstatat)(AT_FDCWD, "f", &st, 0)))
PROBE(fstatat, "AT_SYMLINK_NOFOLLOW", file("f"), NUMBER(L(fstatat)(AT_FDCWD, "f", &st, AT_SYMLINK_NOFOLLOW)))
PROBE(fstatat, "AT_EMPTY_PATH", int fd = file("f"), NUMBER(L(fstatat)(fd, "", &st, 0x1000)))
PROBE(fstatat, "a directory", int fd = directory("d"), NUMBER(L(fstatat)(fd, "a", &st, 0)))
#define STATX int(int, const char *, int, unsigned, void *)
PROBE(statx, "", file("f"), NUMBER(N(STATX, statx)(AT_FDCWD, "f", 0, 0x7ff, buffer)))
PROBE(statx, "AT_EMPTY_PATH", int fd = file("f"), NUMBER(N(STATX, statx)(fd, "", 0x1000, 0x7ff, buffer)))
#ifdef __GLIBC__
static struct stat64 st64;
PROBE(stat64, "", file("f"), NUMBER(L(stat64)("f", &st64)))
PROBE(lstat64, "", file("f"), NUMBER(L(lstat64)("f", &st64)))
PROBE(fstat64, "", int fd = file("f"), NUMBER(L(fstat64)(fd, &st64)))
PROBE(fstatat64, "no flags", file("f"), NUMBER(L(fstatat64)(AT_FDCWD, "f", &st64, 0)))
PROBE(__xstat, "", file("f"), NUMBER(N(int(int, const char *, void *), __xstat)(1, "f", &st)))
PROBE(__lxstat, "", file("f"), NUMBER(N(int(int, const char *, void *), __lxstat)(1, "f", &st)))
PROBE(__fxstat, "", int fd = file("f"), NUMBER(N(int(int, int, void *), __fxstat)(1, fd, &st)))
PROBE(__fxstatat, "", file("f"), NUMBER(N(int(int, int, const char *, void *, int), __fxstatat)(1, AT_FDCWD, "f", &st, 0)))
PROBE(__xstat64, "", file("f"), NUMBER(N(int(int, const char *, void *), __xstat64)(1, "f", &st64)))
PROBE(__lxstat64, "", file("f"), NUMBER(N(int(int, const char *, void *), __lxstat64)(1, "f", &st64)))
PROBE(__fxstat64, "", int fd = file("f"), NUMBER(N(int(int, int, void *), __fxstat64)(1, fd, &st64)))
PROBE(__xmknod, "", , ({
	dev_t none = 0;
	NUMBER(N(int(int, const char *, mode_t, dev_t *), __xmknod)(0, "f", S_IFIFO | 0600, &none));
}))
#endif
PROBE(statfs, "", , NUMBER(L(statfs)(".", &fs)))
PROBE(fstatfs, "", int fd = file("f"), NUMBER(L(fstatfs)(fd, &fs)))
PROBE(statvfs, "", , NUMBER(L(statvfs)(".", &vfs)))
PROBE(fstatvfs, "", int fd = file("f"), NUMBER(L(fstatvfs)(fd, &vfs)))

/* Who may use it. */
PROBE(access, "F_OK", file("f"), NUMBER(L(access)("f", F_OK)))
PROBE(access, "R_OK|W_OK", file("f"), NUMBER(L(access)("f", R_OK | W_OK)))
PROBE(faccessat, "no flags", file("f"), NUMBER(L(faccessat)(AT_FDCWD, "f", R_OK, 0)))
PROBE(faccessat, "AT_EACCESS", file("f"), NUMBER(L(faccessat)(AT_FDCWD, "f", R_OK, AT_EACCESS)))
PROBE(faccessat, "AT_SYMLINK_NOFOLLOW", file("f"), NUMBER(L(faccessat)(AT_FDCWD, "f", R_OK, AT_SYMLINK_NOFOLLOW)))
PROBE(euidaccess, "", file("f"), NUMBER(L(euidaccess)("f", R_OK)))
PROBE(eaccess, "", file("f"), NUMBER(L(eaccess)("f", R_OK)))
PROBE(chmod, "", file("f"), NUMBER(L(chmod)("f", 0600)))
PROBE(fchmod, "", int fd = file("f"), NUMBER(L(fchmod)(fd, 0600)))
PROBE(fchmodat, "no flags", file("f"), NUMBER(L(fchmodat)(AT_FDCWD, "f", 0600, 0)))
PROBE(fchmodat, "AT_SYMLINK_NOFOLLOW", file("f"), NUMBER(L(fchmodat)(AT_FDCWD, "f", 0600, AT_SYMLINK_NOFOLLOW)))
PROBE(lchmod, "", file("f"), NUMBER(L(lchmod)("f", 0600)))
PROBE(chown, "", file("f"), NUMBER(L(chown)("f", 0, 0)))
PROBE(fchown, "", int fd = file("f"), NUMBER(L(fchown)(fd, 0, 0)))
PROBE(lchown, "", file("f"), NUMBER(L(lchown)("f", 0, 0)))
PROBE(fchownat, "no flags", file("f"), NUMBER(L(fchownat)(AT_FDCWD, "f", 0, 0, 0)))
PROBE(fchownat, "AT_SYMLINK_NOFOLLOW", file("f"), NUMBER(L(fchownat)(AT_FDCWD, "f", 0, 0, AT_SYMLINK_NOFOLLOW)))
PROBE(umask, "", , NUMBER(L(umask)(022)))
PROBE(utime, "", file("f"), NUMBER(L(utime)("f", &times_of)))
PROBE(utimes, "", file("f"), NUMBER(L(utimes)("f", then)))
PROBE(lutimes, "", file("f"), NUMBER(L(lutimes)("f", then)))
PROBE(futimes, "", int fd = file("f"), NUMBER(L(futimes)(fd, then)))
PROBE(futimesat, "", file("f"), NUMBER(L(futimesat)(AT_FDCWD, "f", then)))
PROBE(futimens, "", int fd = file("f"), NUMBER(L(futimens)(fd, when)))
PROBE(utimensat, "no flags", file("f"), NUMBER(L(utimensat)(AT_FDCWD, "f", when, 0)))
PROBE(utimensat, "AT_SYMLINK_NOFOLLOW", file("f"), NUMBER(L(utimensat)(AT_FDCWD, "f", when, AT_SYMLINK_NOFOLLOW)))

/* Names. */
PROBE(link, "", file("f"), NUMBER(L(link)("f", "g")))
PROBE(linkat, "", file("f"), NUMBER(L(linkat)(AT_FDCWD, "f", AT_FDCWD, "g", 0)))
PROBE(symlink, "", , NUMBER(L(symlink)("f", "g")))
PROBE(symlinkat, "", , NUMBER(L(symlinkat)("f", AT_FDCWD, "g")))
PROBE(readlink, "", L(symlink)("f", "g"), NUMBER(L(readlink)("g", buffer, 9)))
PROBE(readlinkat, "", L(symlink)("f", "g"), NUMBER(L(readlinkat)(AT_FDCWD, "g", buffer, 9)))
PROBE(unlink, "", file("f"), NUMBER(L(unlink)("f")))
PROBE(unlinkat, "a file", file("f"), NUMBER(L(unlinkat)(AT_FDCWD, "f", 0)))
PROBE(unlinkat, "AT_REMOVEDIR", L(mkdir)("d", 0755), NUMBER(L(unlinkat)(AT_FDCWD, "d", AT_REMOVEDIR)))
PROBE(remove, "a file", file("f"), NUMBER(L(remove)("f")))
PROBE(remove, "a directory", L(mkdir)("d", 0755), NUMBER(L(remove)("d")))
PROBE(rename, "", file("f"), NUMBER(L(rename)("f", "g")))
PROBE(renameat, "", file("f"), NUMBER(L(renameat)(AT_FDCWD, "f", AT_FDCWD, "g")))
#define RENAME int(int, const char *, int, const char *, unsigned)
PROBE(renameat2, "no flags", file("f"), NUMBER(N(RENAME, renameat2)(AT_FDCWD, "f", AT_FDCWD, "g", 0)))
PROBE(renameat2, "RENAME_NOREPLACE", file("f"), NUMBER(N(RENAME, renameat2)(AT_FDCWD, "f", AT_FDCWD, "g", 1)))
PROBE(mknod, "S_IFIFO", , NUMBER(L(mknod)("f", S_IFIFO | 0600, 0)))
PROBE(mknod, "S_IFREG", , NUMBER(L(mknod)("f", S_IFREG | 0600, 0)))
PROBE(mknodat, "S_IFREG", , NUMBER(L(mknodat)(AT_FDCWD, "f", S_IFREG | 0600, 0)))
PROBE(mkfifo, "", , NUMBER(L(mkfifo)("f", 0600)))
PROBE(mkfifoat, "", , NUMBER(L(mkfifoat)(AT_FDCWD, "f", 0600)))
PROBE(mktemp, "", template("fXXXXXX"), VALUE(L(mktemp)(name)[0] == 'f'))
PROBE(mkstemp, "", template("fXXXXXX"), FD(L(mkstemp)(name)))
PROBE(mkostemp, "O_CLOEXEC", template("fXXXXXX"), FD(L(mkostemp)(name, O_CLOEXEC)))
PROBE(mkstemps, "", template("fXXXXXX.c"), FD(L(mkstemps)(name, 2)))
PROBE(mkostemps, "", template("fXXXXXX.c"), FD(L(mkostemps)(name, 2, O_CLOEXEC)))
PROBE(mkdtemp, "", template("fXXXXXX"), POINTER(L(mkdtemp)(name)))
PROBE(tmpnam, "", , POINTER(L(tmpnam)(buffer)))
PROBE(tempnam, "", , POINTER(L(tempnam)("/tmp", "f")))
PROBE(realpath, "", file("f"), POINTER(L(realpath)("f", NULL)))
PROBE(realpath, "through a link", file("f"); L(symlink)("f", "g"), POINTER(L(realpath)("g", buffer)))
PROBE(realpath, "not there", , POINTER(L(realpath)("d/f", NULL)))
#ifdef __GLIBC__
PROBE(canonicalize_file_name, "", file("f"), POINTER(L(canonicalize_file_name)("f")))
PROBE(mkstemp64, "", template("fXXXXXX"), FD(L(mkstemp64)(name)))
#endif
PROBE(pathconf, "_PC_NAME_MAX", , NUMBER(L(pathconf)(".", _PC_NAME_MAX)))
PROBE(pathconf, "_PC_LINK_MAX", , NUMBER(L(pathconf)(".", _PC_LINK_MAX)))
PROBE(fpathconf, "_PC_NAME_MAX", int fd = file("f"), NUMBER(L(fpathconf)(fd, _PC_NAME_MAX)))
PROBE(inotify_init, "", , FD(L(inotify_init)()))
PROBE(inotify_init1, "IN_CLOEXEC", , FD(L(inotify_init1)(IN_CLOEXEC)))
PROBE(inotify_add_watch, "", int i = L(inotify_init1)(0), FD(L(inotify_add_watch)(i, ".", IN_CREATE)))
PROBE(inotify_rm_watch, "", int i = L(inotify_init1)(0); int w = L(inotify_add_watch)(i, ".", IN_CREATE),
      NUMBER(L(inotify_rm_watch)(i, w)))
PROBE(fanotify_init, "", , FD(N(int(unsigned, unsigned), fanotify_init)(0x200, O_RDONLY)))

/* Directories. */
PROBE(mkdir, "", , NUMBER(L(mkdir)("d", 0755)))
PROBE(mkdirat, "", , NUMBER(L(mkdirat)(AT_FDCWD, "d", 0755)))
PROBE(rmdir, "", L(mkdir)("d", 0755), NUMBER(L(rmdir)("d")))
PROBE(chdir, "", , NUMBER(L(chdir)("/")))
PROBE(fchdir, "", int fd = directory("d"), NUMBER(L(fchdir)(fd)))
PROBE(chroot, "", , NUMBER(L(chroot)("/")))
PROBE(getcwd, "a buffer", , POINTER(L(getcwd)(buffer, 999)))
PROBE(getcwd, "allocated", , POINTER(L(getcwd)(NULL, 0)))
PROBE(getcwd, "gone", L(mkdir)("d", 0755); L(chdir)("d"); L(rmdir)("../d"), POINTER(L(getcwd)(buffer, 999)))
PROBE(getwd, "", , POINTER(N(char *(char *), getwd)(buffer)))
PROBE(get_current_dir_name, "", , POINTER(L(get_current_dir_name)()))
PROBE(opendir, "", L(close)(directory("d")), POINTER(L(opendir)("d")))
PROBE(opendir, "not there", , POINTER(L(opendir)("d")))
PROBE(fdopendir, "", int fd = directory("d"), POINTER(L(fdopendir)(fd)))
PROBE(readdir, "", opened(), POINTER(L(readdir)(d)))
PROBE(readdir, "at the end", opened(); while (L(readdir)(d)), VALUE(L(readdir)(d) == NULL))
PROBE(readdir_r, "", opened(), ({ struct dirent *e; ERROR(N(int(DIR *, void *, void *), readdir_r)(d, buffer, &e)); }))
PROBE(closedir, "", opened(), NUMBER(L(closedir)(d)))
PROBE(rewinddir, "", opened(); L(readdir)(d), DONE((L(rewinddir)(d), 0)))
PROBE(telldir, "", opened(); L(readdir)(d), VALUE(L(telldir)(d) > 0))
PROBE(seekdir, "", opened(); L(readdir)(d), DONE((L(seekdir)(d, 0), 0)))
PROBE(scandir, "", L(close)(directory("d")), NUMBER(L(scandir)("d", &list, NULL, NULL)))
PROBE(ftw, "", L(close)(directory("d")), NUMBER(L(ftw)("d", visit, 4)))
PROBE(nftw, "no flags", L(close)(directory("d")), NUMBER(L(nftw)("d", visit_more, 4, 0)))
PROBE(nftw, "FTW_PHYS|FTW_DEPTH", L(close)(directory("d")), NUMBER(L(nftw)("d", visit_more, 4, FTW_PHYS | FTW_DEPTH)))
PROBE(nftw, "FTW_CHDIR", L(close)(directory("d")), NUMBER(L(nftw)("d", visit_more, 4, FTW_PHYS | FTW_CHDIR)))
PROBE(glob, "a name", file("f"), ERROR(L(glob)("f", 0, NULL, &matches)))
PROBE(glob, "a pattern", L(close)(directory("d")), ERROR(L(glob)("d/*", 0, NULL, &matches)))
PROBE(glob, "GLOB_MARK", L(close)(directory("d")), ERROR(L(glob)("*", GLOB_MARK, NULL, &matches)))
PROBE(wordexp, "a pattern", L(close)(directory("d")), ERROR(L(wordexp)("d/*", &expanded, 0)))
PROBE(wordexp, "a command", , ERROR(L(wordexp)("$(x)", &expanded, 0)))
#ifdef __GLIBC__
static char *roots[] = { "d", NULL };
static FTS *walk;
PROBE(readdir64, "", opened(), POINTER(L(readdir64)(d)))
PROBE(scandirat, "", L(close)(directory("d")), NUMBER(L(scandirat)(AT_FDCWD, "d", &list, NULL, NULL)))
PROBE(scandir64, "", L(close)(directory("d")), NUMBER(L(scandir64)("d", (void *)&list, NULL, NULL)))
PROBE(getdents64, "", int fd = directory("d"), VALUE(N(ssize_t(int, void *, size_t), getdents64)(fd, buffer, 4096) > 0))
PROBE(glob, "GLOB_TILDE", , ERROR(L(glob)("~root", GLOB_TILDE, NULL, &matches)))
PROBE(glob64, "a pattern", L(close)(directory("d")), ERROR(L(glob64)("d/*", 0, NULL, (void *)&matches)))
PROBE(fts_open, "FTS_PHYSICAL", L(close)(directory("d")), POINTER(L(fts_open)(roots, FTS_PHYSICAL, NULL)))
PROBE(fts_read, "FTS_PHYSICAL", L(close)(directory("d")); walk = L(fts_open)(roots, FTS_PHYSICAL, NULL), ({
	int n = 0;
	while (L(fts_read)(walk))
		n++;
	VALUE(n);
}))
PROBE(fts_read, "FTS_LOGICAL|FTS_NOCHDIR",
      L(close)(directory("d")); walk = L(fts_open)(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL), ({
	int n = 0;
	while (L(fts_read)(walk))
		n++;
	VALUE(n);
}))
PROBE(fts_children, "", L(close)(directory("d")); walk = L(fts_open)(roots, FTS_PHYSICAL, NULL),
      POINTER(L(fts_children)(walk, 0)))
PROBE(fts_close, "", L(close)(directory("d")); walk = L(fts_open)(roots, FTS_PHYSICAL, NULL), NUMBER(L(fts_close)(walk)))
#endif
