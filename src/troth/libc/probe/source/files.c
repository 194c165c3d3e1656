/* Files by descriptor: opening, reading, writing, sizes, locks, copies. */
#include "probe.h"
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/xattr.h>

static struct iovec words = { buffer, 8 };
static struct flock whole = { .l_type = F_WRLCK };
static int ends[2];
static struct { unsigned bytes; int type; char handle[128]; } handle = { .bytes = 128 };
static int mount_id;

static int ready_pipe(void)      /* ends[0] has something to read */
{
	L(pipe)(ends);
	L(write)(ends[1], "text", 4);
	return ends[0];
}

/* Opening and closing. */
PROBE(open, "O_RDONLY", file("f"), FD(L(open)("f", O_RDONLY)))
PROBE(open, "O_RDONLY|O_CLOEXEC", file("f"), FD(L(open)("f", O_RDONLY | O_CLOEXEC)))
PROBE(open, "O_WRONLY|O_TRUNC", file("f"), FD(L(open)("f", O_WRONLY | O_TRUNC)))
PROBE(open, "O_CREAT", , FD(L(open)("f", O_RDWR | O_CREAT | O_EXCL, 0640)))
PROBE(open, "O_DIRECTORY", , FD(L(open)(".", O_RDONLY | O_DIRECTORY)))
PROBE(open, "not there", , FD(L(open)("f", O_RDONLY)))
PROBE(openat, "AT_FDCWD", file("f"), FD(L(openat)(AT_FDCWD, "f", O_RDONLY)))
PROBE(openat, "a directory", int d = directory("d"), FD(L(openat)(d, "a", O_RDWR)))
PROBE(creat, "", , FD(L(creat)("f", 0640)))
PROBE(close, "", int fd = file("f"), NUMBER(L(close)(fd)))
#ifdef __GLIBC__
PROBE(open64, "O_RDONLY", file("f"), FD(L(open64)("f", O_RDONLY)))
PROBE(open64, "O_CREAT", , FD(L(open64)("f", O_RDWR | O_CREAT, 0640)))
PROBE(openat64, "AT_FDCWD", file("f"), FD(L(openat64)(AT_FDCWD, "f", O_RDONLY)))
PROBE(creat64, "", , FD(L(creat64)("f", 0640)))
PROBE(__open_2, "O_RDONLY", file("f"), FD(N(int(const char *, int), __open_2)("f", O_RDONLY)))     /* fortified */
#endif
PROBE(closefrom, "nothing open", , DONE((N(void(int), closefrom)(60), 0)))
PROBE(closefrom, "one open", L(dup2)(file("f"), 70), DONE((N(void(int), closefrom)(60), 0)))
PROBE(close_range, "", , NUMBER(N(int(unsigned, unsigned, int), close_range)(60, 70, 0)))
PROBE(openat2, "", file("f"), ({
	long how[3] = { O_RDONLY };
	FD(N(int(int, const char *, void *, size_t), openat2)(AT_FDCWD, "f", how, sizeof how));
}))

/* Reading and writing. */
PROBE(read, "a file", int fd = file("f"), NUMBER(L(read)(fd, buffer, 8)))
PROBE(read, "a pipe", int fd = pipe_with("text"), NUMBER(L(read)(fd, buffer, 8)))
PROBE(write, "a file", int fd = file("f"), NUMBER(L(write)(fd, "text", 4)))
PROBE(write, "a pipe", ready_pipe(), NUMBER(L(write)(ends[1], "text", 4)))
PROBE(pread, "", int fd = file("f"), NUMBER(L(pread)(fd, buffer, 4, 2)))
PROBE(pwrite, "", int fd = file("f"), NUMBER(L(pwrite)(fd, "text", 4, 2)))
PROBE(readv, "", int fd = file("f"), NUMBER(L(readv)(fd, &words, 1)))
PROBE(writev, "", int fd = file("f"), NUMBER(L(writev)(fd, &words, 1)))
PROBE(preadv, "", int fd = file("f"), NUMBER(L(preadv)(fd, &words, 1, 2)))
PROBE(pwritev, "", int fd = file("f"), NUMBER(L(pwritev)(fd, &words, 1, 2)))
#define VECTORED ssize_t(int, const struct iovec *, int, off_t, int)
PROBE(preadv2, "no flags", int fd = file("f"), NUMBER(N(VECTORED, preadv2)(fd, &words, 1, 2, 0)))
PROBE(preadv2, "RWF_NOWAIT", int fd = file("f"), NUMBER(N(VECTORED, preadv2)(fd, &words, 1, 2, 8)))
PROBE(pwritev2, "no flags", int fd = file("f"), NUMBER(N(VECTORED, pwritev2)(fd, &words, 1, 2, 0)))
PROBE(pwritev2, "RWF_DSYNC", int fd = file("f"), NUMBER(N(VECTORED, pwritev2)(fd, &words, 1, 2, 2)))
PROBE(lseek, "SEEK_END", int fd = file("f"), NUMBER(L(lseek)(fd, 0, SEEK_END)))
PROBE(fsync, "", int fd = file("f"), NUMBER(L(fsync)(fd)))
PROBE(fdatasync, "", int fd = file("f"), NUMBER(L(fdatasync)(fd)))
PROBE(sync, "", , DONE((L(sync)(), 0)))
PROBE(syncfs, "", int fd = file("f"), NUMBER(L(syncfs)(fd)))
PROBE(sync_file_range, "", int fd = file("f"), NUMBER(L(sync_file_range)(fd, 0, 4, 2)))
PROBE(readahead, "", int fd = file("f"), NUMBER(L(readahead)(fd, 0, 4096)))
#ifdef __GLIBC__
PROBE(pread64, "", int fd = file("f"), NUMBER(L(pread64)(fd, buffer, 4, 2)))
PROBE(pwrite64, "", int fd = file("f"), NUMBER(L(pwrite64)(fd, "text", 4, 2)))
PROBE(lseek64, "SEEK_END", int fd = file("f"), NUMBER(L(lseek64)(fd, 0, SEEK_END)))
PROBE(__read_chk, "", int fd = file("f"), NUMBER(N(ssize_t(int, void *, size_t, size_t), __read_chk)(fd, buffer, 4, 8)))
#endif

/* Descriptors. */
PROBE(dup, "", int fd = file("f"), FD(L(dup)(fd)))
PROBE(dup2, "another", int fd = file("f"), FD(L(dup2)(fd, 60)))
PROBE(dup2, "itself", int fd = file("f"), FD(L(dup2)(fd, fd)))
PROBE(dup3, "O_CLOEXEC", int fd = file("f"), FD(L(dup3)(fd, 60, O_CLOEXEC)))
PROBE(pipe, "", , NUMBER(L(pipe)(ends)))
PROBE(pipe2, "no flags", , NUMBER(L(pipe2)(ends, 0)))
PROBE(pipe2, "O_CLOEXEC", , NUMBER(L(pipe2)(ends, O_CLOEXEC)))
PROBE(fcntl, "F_GETFD", int fd = file("f"), NUMBER(L(fcntl)(fd, F_GETFD)))
PROBE(fcntl, "F_SETFD", int fd = file("f"), NUMBER(L(fcntl)(fd, F_SETFD, FD_CLOEXEC)))
PROBE(fcntl, "F_GETFL", int fd = file("f"), FD(L(fcntl)(fd, F_GETFL)))
PROBE(fcntl, "F_SETFL", int fd = file("f"), NUMBER(L(fcntl)(fd, F_SETFL, O_NONBLOCK)))
PROBE(fcntl, "F_DUPFD", int fd = file("f"), FD(L(fcntl)(fd, F_DUPFD, 60)))
PROBE(fcntl, "F_DUPFD_CLOEXEC", int fd = file("f"), FD(L(fcntl)(fd, F_DUPFD_CLOEXEC, 60)))
PROBE(fcntl, "F_SETLK", int fd = file("f"), NUMBER(L(fcntl)(fd, F_SETLK, &whole)))
PROBE(fcntl, "F_SETLKW", int fd = file("f"), NUMBER(L(fcntl)(fd, F_SETLKW, &whole)))
PROBE(fcntl, "F_GETLK", int fd = file("f"), NUMBER(L(fcntl)(fd, F_GETLK, &whole)))
PROBE(fcntl, "F_OFD_SETLK", int fd = file("f"), NUMBER(L(fcntl)(fd, 37, &whole)))
PROBE(fcntl, "F_GETOWN", ready_pipe(), NUMBER(L(fcntl)(ends[0], F_GETOWN)))
PROBE(fcntl, "F_SETOWN", ready_pipe(), NUMBER(L(fcntl)(ends[0], F_SETOWN, 0)))
PROBE(fcntl, "F_SETPIPE_SZ", ready_pipe(), FD(L(fcntl)(ends[0], 1031, 4096)))
PROBE(fcntl, "F_ADD_SEALS", int fd = L(memfd_create)("m", 2), NUMBER(L(fcntl)(fd, 1033, 8)))
PROBE(ioctl, "FIONREAD", ready_pipe(), ({ int n = 0; NUMBER(L(ioctl)(ends[0], FIONREAD, &n) + n); }))
PROBE(ioctl, "FIOCLEX", int fd = file("f"), NUMBER(L(ioctl)(fd, FIOCLEX)))
PROBE(ioctl, "FIONBIO", ready_pipe(), ({ int on = 1; NUMBER(L(ioctl)(ends[0], FIONBIO, &on)); }))
#ifdef __GLIBC__
PROBE(fcntl64, "F_GETFL", int fd = file("f"), FD(L(fcntl64)(fd, F_GETFL)))
#endif

/* Locks, sizes, advice. */
PROBE(flock, "LOCK_EX", int fd = file("f"), NUMBER(L(flock)(fd, LOCK_EX)))
PROBE(flock, "LOCK_SH|LOCK_NB", int fd = file("f"), NUMBER(L(flock)(fd, LOCK_SH | LOCK_NB)))
PROBE(lockf, "F_LOCK", int fd = file("f"), NUMBER(L(lockf)(fd, F_LOCK, 0)))
PROBE(lockf, "F_TLOCK", int fd = file("f"), NUMBER(L(lockf)(fd, F_TLOCK, 0)))
PROBE(lockf, "F_TEST", int fd = file("f"), NUMBER(L(lockf)(fd, F_TEST, 0)))
PROBE(truncate, "", file("f"), NUMBER(L(truncate)("f", 3)))
PROBE(ftruncate, "", int fd = file("f"), NUMBER(L(ftruncate)(fd, 3)))
PROBE(fallocate, "", int fd = file("f"), NUMBER(L(fallocate)(fd, 0, 0, 4096)))
PROBE(posix_fallocate, "", int fd = file("f"), ERROR(L(posix_fallocate)(fd, 0, 4096)))
PROBE(posix_fadvise, "", int fd = file("f"), ERROR(L(posix_fadvise)(fd, 0, 0, POSIX_FADV_SEQUENTIAL)))
#ifdef __GLIBC__
PROBE(truncate64, "", file("f"), NUMBER(L(truncate64)("f", 3)))
PROBE(ftruncate64, "", int fd = file("f"), NUMBER(L(ftruncate64)(fd, 3)))
PROBE(posix_fallocate64, "", int fd = file("f"), ERROR(L(posix_fallocate64)(fd, 0, 4096)))
PROBE(lockf64, "F_TLOCK", int fd = file("f"), NUMBER(L(lockf64)(fd, F_TLOCK, 0)))
#endif

/* From descriptor to descriptor. */
PROBE(sendfile, "", int fd = file("f"); ready_pipe(), NUMBER(L(sendfile)(ends[1], fd, NULL, 4)))
PROBE(copy_file_range, "", int a = file("a"); int b = file("b"), NUMBER(L(copy_file_range)(a, NULL, b, NULL, 4, 0)))
PROBE(splice, "", int fd = file("f"); ready_pipe(), NUMBER(L(splice)(fd, NULL, ends[1], NULL, 4, 0)))
PROBE(tee, "", int from = ready_pipe(); int to[2]; L(pipe)(to), NUMBER(L(tee)(from, to[1], 4, 0)))
PROBE(vmsplice, "", ready_pipe(), NUMBER(L(vmsplice)(ends[1], &words, 1, 0)))
PROBE(memfd_create, "MFD_CLOEXEC", , FD(L(memfd_create)("m", 1)))
PROBE(name_to_handle_at, "", file("f"),
      NUMBER(N(int(int, const char *, void *, int *, int), name_to_handle_at)(AT_FDCWD, "f", &handle, &mount_id, 0)))
#ifdef __GLIBC__
PROBE(sendfile64, "", int fd = file("f"); ready_pipe(), NUMBER(L(sendfile64)(ends[1], fd, NULL, 4)))
#endif

/* Extended attributes; the box's file system has those of `user`. */
PROBE(setxattr, "", file("f"), NUMBER(L(setxattr)("f", "user.a", "b", 1, 0)))
PROBE(lsetxattr, "", file("f"), NUMBER(L(lsetxattr)("f", "user.a", "b", 1, 0)))
PROBE(fsetxattr, "XATTR_CREATE", int fd = file("f"), NUMBER(L(fsetxattr)(fd, "user.a", "b", 1, 1)))
PROBE(getxattr, "", file("f"); L(setxattr)("f", "user.a", "b", 1, 0), NUMBER(L(getxattr)("f", "user.a", buffer, 9)))
PROBE(lgetxattr, "", file("f"); L(setxattr)("f", "user.a", "b", 1, 0), NUMBER(L(lgetxattr)("f", "user.a", buffer, 9)))
PROBE(fgetxattr, "none", int fd = file("f"), NUMBER(L(fgetxattr)(fd, "user.a", buffer, 9)))
PROBE(listxattr, "", file("f"), NUMBER(L(listxattr)("f", buffer, 99)))
PROBE(llistxattr, "", file("f"), NUMBER(L(llistxattr)("f", buffer, 99)))
PROBE(flistxattr, "", int fd = file("f"), NUMBER(L(flistxattr)(fd, buffer, 99)))
PROBE(removexattr, "", file("f"); L(setxattr)("f", "user.a", "b", 1, 0), NUMBER(L(removexattr)("f", "user.a")))
PROBE(lremovexattr, "", file("f"); L(setxattr)("f", "user.a", "b", 1, 0), NUMBER(L(lremovexattr)("f", "user.a")))
PROBE(fremovexattr, "none", int fd = file("f"), NUMBER(L(fremovexattr)(fd, "user.a")))

