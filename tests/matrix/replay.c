/*
 * One function behind a filter: replay FILTER FUNCTION
 *
 * FILTER is a file of the kernel's instructions, which is loaded once all is there that the function is used on. Exit 0
 * if the function does what it is for, 1 if not, 2 if it never came to that. The filter has to allow exit_group.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <pthread.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

extern char **environ;

static char path[] = "/tmp/replay-XXXXXX";
static int file, terminal;

static int fstat_works(void)
{
	struct stat found;
	return fstat(file, &found) == 0;
}

static int faccessat_works(void)
{
	return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0;
}

static void *end(void *nothing)
{
	return nothing;
}

static int thread_works(void)
{
	pthread_t thread;
	return pthread_create(&thread, NULL, end, NULL) == 0 && pthread_join(thread, NULL) == 0;
}

static int posix_spawn_works(void)
{
	char *words[] = { "sh", "-c", ":", NULL };
	pid_t child;
	return posix_spawn(&child, "/bin/sh", NULL, NULL, words, environ) == 0;
}

static int start_works(void)
{
	char *words[] = { "replay", NULL };
	execv("/proc/self/exe", words);
	return 0;
}

static int lchmod_works(void) /* by its other name, since not every libc declares it */
{
	return fchmodat(AT_FDCWD, path, 0640, AT_SYMLINK_NOFOLLOW) == 0;
}

static int isatty_works(void)
{
	return isatty(terminal);
}

static int pwrite_works(void)
{
	return pwrite(file, "text", 4, 0) == 4;
}

static int fchmodat2_works(void)
{
	return syscall(452 /* fchmodat2 */, AT_FDCWD, path, 06755, 0) == 0;
}

static const struct { const char *name; int (*works)(void); } functions[] = {
	{ "fstat", fstat_works },
	{ "faccessat", faccessat_works },
	{ "(thread)", thread_works },
	{ "pthread_create", thread_works },
	{ "posix_spawn", posix_spawn_works },
	{ "(start)", start_works },
	{ "lchmod", lchmod_works },
	{ "isatty", isatty_works },
	{ "pwrite", pwrite_works },
	{ "(fchmodat2)", fchmodat2_works },
};

static int load(const char *name)
{
	static struct sock_filter code[4096];
	int from = open(name, O_RDONLY);
	ssize_t size = read(from, code, sizeof code);
	struct sock_fprog program = { (unsigned short)(size / sizeof *code), code };
	return size <= 0 || close(from) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	       || prctl(PR_SET_SECCOMP, 2 /* SECCOMP_MODE_FILTER */, &program, 0, 0);
}

int main(int count, char **words)
{
	if (count < 3)
		_exit(0); /* what `(start)` starts */
	file = mkstemp(path);
	terminal = posix_openpt(O_RDWR | O_NOCTTY);
	if (file < 0 || terminal < 0 || load(words[1]))
		_exit(2);
	for (size_t i = 0; i < COUNT(functions); i++)
		if (strcmp(functions[i].name, words[2]) == 0)
			_exit(!functions[i].works());
	_exit(2);
}
