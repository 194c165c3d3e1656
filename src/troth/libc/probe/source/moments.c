/* What no function's name covers: the start of a process, its end, a thread's life, an abort. */
#include "probe.h"
#include <pthread.h>

static void *thread(void *argument)
{
	return argument;
}

static pthread_t id;

/* From execve to main, of a program that needs nothing but libc. */
MOMENT("(start)", "", FRESH | STARTS, , end(OK, 0))
MOMENT("(exit)", "", 0, , NEVER((L(exit)(0), 0)))
MOMENT("(thread)", "", 0, , ERROR(L(pthread_create)(&id, NULL, thread, NULL)))
MOMENT("(abort)", "", 0, , NEVER((L(abort)(), 0)))
PROBE(malloc, "small", , POINTER(L(malloc)(100)))
FIRST(malloc, "first", , POINTER(L(malloc)(100)))
PROBE(fork, "", , ({ int p = L(fork)(); if (!p) leave(0); FD(p); }))
PROBE(system, "", , NUMBER(L(system)("x")))
