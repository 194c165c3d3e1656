/* The system: randomness, what machine this is, logs, locales, loading of libraries, mounts. */
#include "probe.h"
#include <dlfcn.h>
#include <err.h>
#include <iconv.h>
#include <langinfo.h>
#include <libintl.h>
#include <link.h>
#include <locale.h>
#include <nl_types.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/swap.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <syslog.h>
#include <wchar.h>
#ifdef __GLIBC__
#include <error.h>
#include <execinfo.h>
#include <sys/io.h>
#include <sys/quota.h>
#endif

static struct utsname machine;
static struct sysinfo memory;
static double load[3];
static iconv_t conversion;

static int each(struct dl_phdr_info *info, size_t size, void *data)
{
	return (void)info, (void)size, (void)data, 0;
}

static int backwards(const void *a, const void *b)
{
	return *(const int *)b - *(const int *)a;
}

/* Randomness. */
PROBE(getrandom, "no flags", , NUMBER(N(ssize_t(void *, size_t, unsigned), getrandom)(buffer, 8, 0)))
PROBE(getrandom, "GRND_NONBLOCK", , NUMBER(N(ssize_t(void *, size_t, unsigned), getrandom)(buffer, 8, 1)))
PROBE(getentropy, "", , NUMBER(N(int(void *, size_t), getentropy)(buffer, 8)))
PROBE(arc4random, "", , DONE((N(unsigned(void), arc4random)(), 0)))
FIRST(arc4random, "first", , DONE((N(unsigned(void), arc4random)(), 0)))
PROBE(arc4random_buf, "", , DONE((N(void(void *, size_t), arc4random_buf)(buffer, 8), 0)))
PROBE(arc4random_uniform, "", , DONE((N(unsigned(unsigned), arc4random_uniform)(9), 0)))
PROBE(random, "", , DONE((L(random)(), 0)))

/* The machine and its limits. When it cannot ask, glibc counts pages by what happens to be in its memory. */
PROBE(uname, "", , NUMBER(L(uname)(&machine)))
PROBE(sysinfo, "", , NUMBER(L(sysinfo)(&memory)))
PROBE(getloadavg, "", , NUMBER(L(getloadavg)(load, 3)))
PROBE(get_nprocs, "", , VALUE(L(get_nprocs)() > 0))
PROBE(get_nprocs_conf, "", , VALUE(L(get_nprocs_conf)() > 0))
PROBE(get_phys_pages, "", , DONE((L(get_phys_pages)(), 0)))
PROBE(get_avphys_pages, "", , DONE((L(get_avphys_pages)(), 0)))
PROBE(sysconf, "_SC_NPROCESSORS_ONLN", , VALUE(L(sysconf)(_SC_NPROCESSORS_ONLN) > 0))
PROBE(sysconf, "_SC_NPROCESSORS_CONF", , VALUE(L(sysconf)(_SC_NPROCESSORS_CONF) > 0))
PROBE(sysconf, "_SC_PHYS_PAGES", , DONE((L(sysconf)(_SC_PHYS_PAGES), 0)))
PROBE(sysconf, "_SC_AVPHYS_PAGES", , DONE((L(sysconf)(_SC_AVPHYS_PAGES), 0)))
PROBE(sysconf, "_SC_OPEN_MAX", , VALUE(L(sysconf)(_SC_OPEN_MAX) > 0))
PROBE(sysconf, "_SC_CHILD_MAX", , VALUE(L(sysconf)(_SC_CHILD_MAX) > 0))
PROBE(sysconf, "_SC_ARG_MAX", , VALUE(L(sysconf)(_SC_ARG_MAX) > 0))
PROBE(sysconf, "_SC_NGROUPS_MAX", , VALUE(L(sysconf)(_SC_NGROUPS_MAX) > 0))
PROBE(sysconf, "_SC_MONOTONIC_CLOCK", , VALUE(L(sysconf)(_SC_MONOTONIC_CLOCK) > 0))
PROBE(sysconf, "_SC_MINSIGSTKSZ", , VALUE(L(sysconf)(249) != 0))
PROBE(getdtablesize, "", , VALUE(L(getdtablesize)() > 0))
PROBE(getpagesize, "", , VALUE(L(getpagesize)()))
PROBE(gethostid, "", , DONE((L(gethostid)(), 0)))
PROBE(confstr, "", , VALUE(L(confstr)(_CS_PATH, buffer, 99) > 0))

/* Logs. */
PROBE(syslog, "nobody listens", , DONE((L(syslog)(LOG_INFO, "text"), 0)))
PROBE(syslog, "LOG_PERROR|LOG_PID", L(openlog)("x", LOG_PERROR | LOG_PID, LOG_USER), DONE((L(syslog)(LOG_INFO, "text"), 0)))
PROBE(syslog, "LOG_CONS", L(openlog)("x", LOG_CONS, LOG_USER), DONE((L(syslog)(LOG_INFO, "text"), 0)))
PROBE(openlog, "LOG_NDELAY", , DONE((L(openlog)("x", LOG_NDELAY, LOG_USER), 0)))
PROBE(closelog, "", L(openlog)("x", LOG_NDELAY, LOG_USER), DONE((L(closelog)(), 0)))
PROBE(klogctl, "", , NUMBER(L(klogctl)(10, NULL, 0) >= 0))
PROBE(warn, "", errno = ENOENT, DONE((L(warn)("text"), 0)))
PROBE(err, "", errno = ENOENT, NEVER((L(err)(1, "text"), 0)))
PROBE(__assert_fail, "", , NEVER((N(void(const char *, const char *, unsigned, const char *), __assert_fail)("a", "b", 1, "c"), 0)))
PROBE(__stack_chk_fail, "", , NEVER((N(void(void), __stack_chk_fail)(), 0)))
PROBE(strerror, "", , POINTER(L(strerror)(ENOENT)))
PROBE(strsignal, "", , POINTER(L(strsignal)(SIGHUP)))

/* Locales and character sets. */
PROBE(setlocale, "C", , POINTER(L(setlocale)(LC_ALL, "C")))
PROBE(setlocale, "C.UTF-8", , VALUE(L(setlocale)(LC_ALL, "C.UTF-8") != NULL))
PROBE(setlocale, "of the environment", L(unsetenv)("LC_ALL"); L(setenv)("LANG", "xx_XX.UTF-8", 1),
      VALUE(L(setlocale)(LC_ALL, "") != NULL))
PROBE(newlocale, "C.UTF-8", , VALUE(L(newlocale)(LC_ALL_MASK, "C.UTF-8", NULL) != NULL))
PROBE(iconv_open, "UTF-16", , VALUE(L(iconv_open)("UTF-16", "UTF-8") != (iconv_t)-1))
PROBE(iconv_open, "a module", , VALUE(L(iconv_open)("ISO-8859-2", "UTF-8") != (iconv_t)-1))
PROBE(iconv_open, "none", , NUMBER((long)L(iconv_open)("NONE", "UTF-8")))
PROBE(iconv_close, "", conversion = L(iconv_open)("UTF-16", "UTF-8"), NUMBER(L(iconv_close)(conversion)))
PROBE(mbstowcs, "", , VALUE(L(mbstowcs)((wchar_t *)buffer, "text", 9)))
PROBE(bindtextdomain, "", , POINTER(L(bindtextdomain)("x", "/tmp")))
PROBE(gettext, "", L(setlocale)(LC_ALL, "C.UTF-8"), POINTER(L(gettext)("text")))
PROBE(catopen, "", , NUMBER((long)L(catopen)("x", 0)))
PROBE(nl_langinfo, "", , POINTER(L(nl_langinfo)(CODESET)))
PROBE(qsort, "small", , DONE((L(qsort)(buffer, 100, 4, backwards), 0)))
PROBE(qsort, "large", void *p = L(calloc)(400000, 4), DONE((L(qsort)(p, 400000, 4, backwards), 0)))

/* Loading. */
PROBE(dlopen, "this program", , POINTER(L(dlopen)(NULL, RTLD_NOW)))
PROBE(dlopen, "not there", , VALUE(L(dlopen)("libnone.so", RTLD_NOW) == NULL))
PROBE(dlsym, "not there", , VALUE(N(void *(void *, const char *), dlsym)(NULL, "none") == NULL))
PROBE(dl_iterate_phdr, "", , NUMBER(L(dl_iterate_phdr)(each, NULL)))
#ifdef __GLIBC__
static void *library;
PROBE(dlopen, "a library", , POINTER(L(dlopen)("libanl.so.1", RTLD_NOW)))
PROBE(dlclose, "a library", library = L(dlopen)("libanl.so.1", RTLD_NOW), NUMBER(L(dlclose)(library)))
PROBE(dlmopen, "a library", , POINTER(L(dlmopen)(LM_ID_NEWLM, "libanl.so.1", RTLD_NOW)))
PROBE(backtrace, "", , VALUE(L(backtrace)((void **)buffer, 9) >= 0))
PROBE(error, "", , DONE((L(error)(0, ENOENT, "text"), 0)))
PROBE(ioperm, "", , NUMBER(L(ioperm)(0, 1, 1)))
PROBE(iopl, "", , NUMBER(L(iopl)(3)))
PROBE(quotactl, "", , NUMBER(L(quotactl)(QCMD(Q_SYNC, USRQUOTA), NULL, 0, NULL)))
PROBE(sethostid, "", , NUMBER(L(sethostid)(1)))
PROBE(gnu_get_libc_version, "", , POINTER(N(const char *(void), gnu_get_libc_version)()))
PROBE(__fdelt_chk, "", , NEVER((N(long(long), __fdelt_chk)(4000), 0)))
PROBE(__chk_fail, "", , NEVER((N(void(void), __chk_fail)(), 0)))
#endif

/* Of whom administers it. */
PROBE(mount, "MS_RDONLY", L(mkdir)("d", 0755), NUMBER(L(mount)("none", "d", "tmpfs", MS_RDONLY, NULL)))
PROBE(umount, "", L(mkdir)("d", 0755); L(mount)("none", "d", "tmpfs", 0, NULL), NUMBER(L(umount)("d")))
PROBE(umount2, "MNT_DETACH", L(mkdir)("d", 0755); L(mount)("none", "d", "tmpfs", 0, NULL), NUMBER(L(umount2)("d", MNT_DETACH)))
PROBE(swapon, "", , NUMBER(L(swapon)("none", 0)))
PROBE(swapoff, "", , NUMBER(L(swapoff)("none")))
#define FSOPEN int(const char *, unsigned)
PROBE(fsopen, "", , FD(N(FSOPEN, fsopen)("tmpfs", 0)))
PROBE(open_tree, "", , FD(N(int(int, const char *, unsigned), open_tree)(AT_FDCWD, "/", 0)))
PROBE(pivot_root, "", , NUMBER(N(int(const char *, const char *), pivot_root)("/none", "/none")))
