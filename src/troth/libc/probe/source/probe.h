/*
 * What the cases of the probe are written with.
 *
 * A case is one entry: PROBE(function, "variant", set-up, outcome). The set-up runs unrecorded; the outcome is an
 * expression that calls the function once, in one of the words below, and is what is recorded:
 *
 *   PROBE(access, "F_OK", file("f"), NUMBER(L(access)("f", F_OK)))
 *
 * Every function of the libc is called by L(name), which looks it up by dlsym: so one binary, which imports nothing
 * that was versioned later than the first release of its architecture, meets the default version of each symbol in
 * whatever libc it runs on. N(type, name) does that for a function that old headers do not declare.
 */
#ifndef PROBE_H
#define PROBE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#undef _FORTIFY_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One case; they are gathered by the linker, in a section of their own. */
struct probe {
	const char *function, *variant;
	void (*run)(void);
	int flags;
};

#define FRESH 1    /* in a process that was started for it, where libc has done nothing yet */
#define STARTS 2   /* the record begins when the new program does */

#define PROBE_(fn, variant, flags, setup, number, ...)                                                                 \
	static void probe_##number(void) { setup; begin(); __VA_ARGS__; }                                              \
	static const struct probe entry_##number                                                                       \
		__attribute__((section("probes"), used, aligned(sizeof(void *)))) = { fn, variant, probe_##number, flags };
#define PROBE_NUMBERED(fn, variant, flags, setup, number, ...) PROBE_(fn, variant, flags, setup, number, __VA_ARGS__)
#define PROBE_NAME(number, unit) PROBE_JOIN(number, unit)

/* The cases: in the ordinary way, with a name that is no C word, and in a fresh process. */
#define PROBE(fn, variant, setup, ...) PROBE_NUMBERED(#fn, variant, 0, setup, __COUNTER__, __VA_ARGS__)
#define MOMENT(fn, variant, flags, setup, ...) PROBE_NUMBERED(fn, variant, flags, setup, __COUNTER__, __VA_ARGS__)
#define FIRST(fn, variant, setup, ...) PROBE_NUMBERED(#fn, variant, FRESH, setup, __COUNTER__, __VA_ARGS__)

/* A function of the libc under test. A case whose function it lacks is passed over. */
void *look(const char *name);
#define L(name) ((__typeof__(&name))look(#name))
#define N(type, name) ((__typeof__(type) *)look(#name))

/* The record of a case starts, and ends with how it came out. */
void begin(void);
void end(int kind, long value);

enum { OK, VALUE_IS, FAILED };

/* How a case comes out, from what the function returned. */
#define NUMBER(e) ({ long v_ = (long)(e); v_ == -1 ? end(FAILED, errno) : end(VALUE_IS, v_); })
#define FD(e)     ({ long v_ = (long)(e); v_ == -1 ? end(FAILED, errno) : end(OK, 0); })   /* or a pid */
#define POINTER(e) ({ void *p_ = (void *)(e); p_ && p_ != (void *)-1 ? end(OK, 0) : end(FAILED, errno); })
#define ERROR(e)  ({ int v_ = (e); v_ ? end(FAILED, v_) : end(OK, 0); })              /* it returns an errno */
#define VALUE(e)  ({ long v_ = (long)(e); end(VALUE_IS, v_); })                       /* no value is a failure */
#define DONE(e)   ({ (void)(e); end(OK, 0); })
#define NEVER(e)  ({ (void)(e); end(FAILED, errno); })                                /* it does not return */

/* System calls that are not recorded: the filter lets this last argument through. */
#define UNSEEN 0x7e577e57L
long unseen(long number, long a, long b, long c, long d, long e);

/* Help for set-ups; nothing of it is recorded. */
extern char buffer[65536];
int file(const char *name);                          /* make a file of a few lines; gives it open for both */
int directory(const char *name);                     /* make a directory with three files; gives it open */
int pipe_with(const char *text);                     /* the reading end of a pipe that holds this, and no writer */
int terminal(void);                                  /* the slave of a new pseudo-terminal */
void pause_ms(long ms);                              /* sleep */
long helper(void);                                   /* fork, unseen: 0 in a child that may only make unseen calls */
int child_exits(int status);                         /* a child that has ended by now; its pid */
int child_waits(void);                               /* a child that does nothing for a while */
void leave(int status) __attribute__((noreturn));    /* end a child of the case */
void ignore(int signum);                             /* a handler for signals */
void server(int fd, int accepts);                    /* a child that accepts, and answers what it reads */
#define UNIQUE(text) unique(text)
const char *unique(const char *text);                /* a name nobody has used before */

#endif
