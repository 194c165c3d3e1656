/* What no function's name covers: the start of a process, its end, a thread's life, an abort. */
#include "probe.h"
#include <pthread.h>

static pthread_t id;

static void *thread(void *argument)
{
	return argument;
}

/* From execve to main, of a program that needs nothing but libc; the shapes of its loading are those of its root. */
MOMENT("(start)", "", FRESH | STARTS, , end(OK, 0))
MOMENT("(exit)", "", 0, , NEVER((L(exit)(0), 0)))
MOMENT("(thread)", "", 0, , ERROR(L(pthread_create)(&id, NULL, thread, NULL)))
MOMENT("(abort)", "", 0, , NEVER((L(abort)(), 0)))
