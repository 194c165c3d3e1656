/*
 * The probe's main: runs the cases it is told to, each in a child of its own.
 *
 *   probe --serve FD          install the filter, pass its listener and the names of the cases on the socket FD,
 *                             then run what FD says
 *   probe --case N            run one case in this very process: for those that need a fresh one
 *   probe --start             only start
 *
 * It is process 1 of its pid namespace: whatever a case leaves running it can end.
 */
#include "probe.h"
#include <dlfcn.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

#if defined(__GLIBC__) && defined(__x86_64__)
__asm__(".symver dlsym,dlsym@GLIBC_2.2.5");
#elif defined(__GLIBC__) && defined(__i386__)
__asm__(".symver dlsym,dlsym@GLIBC_2.0");
#endif

extern const struct probe __start_probes[], __stop_probes[];

char buffer[65536];
static unsigned run_number;

/* A number that is no system call: the supervisor takes it, and answers. */
#define MARK 0x7e57
enum { MARK_BEGIN = 1, MARK_END, MARK_LEAVE, MARK_EXECED, MARK_ABSENT, MARK_STARTING };

/* Both call what the loader has found: a first dlsym makes a system call in some libcs, which would be the case's. */
static long mark(long what, long a, long b)
{
	return syscall(MARK, what, a, b, 0L, 0L, 0L);
}

long unseen(long number, long a, long b, long c, long d, long e)
{
	return syscall(number, a, b, c, d, e, UNSEEN);
}

static void quit(int status)
{
	for (;;)
		unseen(SYS_exit_group, status, 0, 0, 0, 0);
}

void *look(const char *name)
{
	void *found = dlsym(RTLD_DEFAULT, name);
	if (!found) {
		mark(MARK_ABSENT, 0, 0);
		quit(0);
	}
	return found;
}

void begin(void)
{
	errno = 0;
	mark(MARK_BEGIN, 0, 0);
}

void end(int kind, long value)
{
	mark(MARK_END, kind, value);
	quit(0);
}

void leave(int status)
{
	mark(MARK_LEAVE, 0, 0);
	quit(status);
	__builtin_unreachable();
}

static void run(const struct probe *probe, unsigned number)
{
	char text[64];
	struct rlimit none = { 0, 0 };
	run_number = number;
	if (probe->function[0] != '(')
		look(probe->function);
	L(setrlimit)(RLIMIT_CORE, &none);
	L(sprintf)(text, "/work/%u", number);
	L(mkdir)(text, 0755);
	L(chdir)(text);
	probe->run();
	quit(0);
}

/* In a new program: how it is started is part of what is recorded, or not yet. */
static void run_fresh(int index, unsigned number)
{
	char a[16], b[16];
	char *const arguments[] = { "/probe", "--case", a, b, NULL };
	char *const environment[] = { "LC_ALL=C", "PATH=/bin", NULL };
	L(sprintf)(a, "%d", index);
	L(sprintf)(b, "%u", number);
	if (__start_probes[index].flags & STARTS)
		mark(MARK_STARTING, 0, 0);
	L(execve)("/probe", arguments, environment);
	quit(111);
}

/*
 * What most programs have done before anything interesting happens: allocated memory of all small sizes, so that a
 * case is not about the allocator; the cases of a fresh process show what comes first.
 */
static void warm(void)
{
	for (int round = 0; round < 2; round++)
		for (size_t size = 16; size <= 8192; size += size / 4) {
			void *kept = L(malloc)(size);
			void *given_back[4];
			for (int i = 0; i < 4; i++)
				given_back[i] = L(malloc)(size);
			for (int i = 0; i < 4; i++)
				L(free)(given_back[i]);
			(void)kept;
		}
	L(free)(L(malloc)(65000));
}

static int filter(void)
{
	/* The low half of the sixth argument: the harness's own calls carry UNSEEN there. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, UNSEEN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };
	L(prctl)(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return unseen(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		      SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, (long)&program, 0, 0);
}

static void pass(int socket, int descriptor)
{
	union { struct cmsghdr header; char room[CMSG_SPACE(sizeof descriptor)]; } control = { { 0 } };
	struct iovec word = { "L", 1 };
	struct msghdr message = { .msg_iov = &word, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof control };
	control.header.cmsg_len = CMSG_LEN(sizeof descriptor);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	L(memcpy)(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
	unseen(SYS_sendmsg, socket, (long)&message, 0, 0, 0);
	unseen(SYS_close, descriptor, 0, 0, 0, 0);
}

/* In the order of their numbers: a line for each, the function and the variant. */
static void name_cases(int socket)
{
	char *end = buffer;
	for (const struct probe *probe = __start_probes; probe < __stop_probes; probe++)
		end += L(sprintf)(end, "%s\t%s\n", probe->function, probe->variant);
	unseen(SYS_write, socket, (long)buffer, end - buffer, 0, 0);
}

/* Commands are the number of a case, answered by the child's pid as it starts and its wait status as it ends. */
static int serve(int socket)
{
	int listener, status;
	warm();
	listener = filter();
	if (listener < 0)
		return 3;
	pass(socket, listener);
	name_cases(socket);
	for (unsigned number = 1;; number++) {
		int index, child, gone;
		int last = 0;
		if (unseen(SYS_read, socket, (long)&index, sizeof index, 0, 0) != sizeof index)
			quit(0);
		child = L(fork)();
		if (child == 0) {
			unseen(SYS_close, socket, 0, 0, 0, 0);
			if (__start_probes[index].flags & FRESH)
				run_fresh(index, number);
			run(&__start_probes[index], number);
		}
		while ((gone = unseen(SYS_wait4, child, (long)&status, 0, 0, 0)) == -1 && errno == EINTR)
			;
		last = gone == child ? status : -1;
		unseen(SYS_kill, -1, SIGKILL, 0, 0, 0);
		while (unseen(SYS_wait4, -1, 0, 0x40000000 /* __WALL */, 0, 0) > 0)
			;
		unseen(SYS_write, socket, (long)&last, sizeof last, 0, 0);
	}
}

static int number_of(const char *text)
{
	int number = 0;
	while (*text >= '0' && *text <= '9')
		number = number * 10 + (*text++ - '0');
	return number;
}

int main(int count, char **arguments)
{
	if (count > 1 && arguments[1][2] == 's' && arguments[1][3] == 't') {     /* --start */
		end(OK, 0);
	} else if (count > 2 && arguments[1][2] == 's') {                        /* --serve */
		return serve(number_of(arguments[2]));
	} else if (count > 3) {                                                  /* --case */
		const struct probe *probe = &__start_probes[number_of(arguments[2])];
		if (probe->flags & STARTS)
			end(OK, 0);
		run(probe, number_of(arguments[3]));
	}
	return 2;
}

const char *unique(const char *text)
{
	static char name[64];
	L(sprintf)(name, "%s%u", text, run_number);
	return name;
}

int file(const char *name)
{
	int fd = L(open)(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
	L(write)(fd, "one two\nthree\nfour\n", 19);
	L(lseek)(fd, 0, SEEK_SET);
	return fd;
}

int directory(const char *name)
{
	char path[128];
	L(mkdir)(name, 0755);
	for (const char *c = "abc"; *c; c++) {
		L(sprintf)(path, "%s/%c", name, *c);
		L(close)(file(path));
	}
	return L(open)(name, O_RDONLY | O_DIRECTORY);
}

int pipe_with(const char *text)
{
	int ends[2];
	L(pipe)(ends);
	L(write)(ends[1], text, L(strlen)(text));
	L(close)(ends[1]);
	return ends[0];
}

int terminal(void)
{
	int master = L(posix_openpt)(O_RDWR | O_NOCTTY);
	L(grantpt)(master);
	L(unlockpt)(master);
	return L(open)(L(ptsname)(master), O_RDWR | O_NOCTTY);
}

void pause_ms(long ms)
{
	unseen(SYS_poll, 0, 0, ms, 0, 0);
}

/* A libc does things in the child of its fork; they would be taken for the case's. */
long helper(void)
{
	return unseen(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

int child_exits(int status)
{
	int child = helper();
	siginfo_t info;
	if (child == 0)
		quit(status);
	unseen(SYS_waitid, P_PID, child, (long)&info, WEXITED | WNOWAIT, 0);
	return child;
}

int child_waits(void)
{
	int child = helper();
	if (child == 0) {
		pause_ms(5000);
		quit(0);
	}
	return child;
}

static void nothing(int signum)
{
	(void)signum;
}

void ignore(int signum)
{
	struct sigaction action = { .sa_handler = nothing };
	L(sigaction)(signum, &action, NULL);
}

void server(int fd, int accepts)
{
	char text[512];
	if (helper() != 0)
		return;
	for (;;) {
		int peer = accepts ? (int)unseen(SYS_accept4, fd, 0, 0, 0, 0) : fd;
		long got = unseen(SYS_read, peer, (long)text, sizeof text, 0, 0);
		if (got <= 0)
			quit(0);
		unseen(SYS_write, peer, (long)text, got, 0, 0);
	}
}
