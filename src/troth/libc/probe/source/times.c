/* Clocks, sleeping and timers. The clocks that the vDSO reads are not asked of the kernel while it can. */
#include "probe.h"
#include <sys/timeb.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <threads.h>

static struct timespec ts, left, brief = { 0, 2000000 };
static struct timeval tv;
static struct itimerval every, before;
static struct itimerspec once = { { 0, 0 }, { 9, 0 } }, was;
static struct timex adjust;
static struct tms used;
static timer_t timer;
static time_t seconds = 86400;
static clockid_t clock_of;

static void expired(union sigval value)
{
	(void)value;
}

/* A signal comes in a moment, so that what would take a second does not. */
static void alarm_soon(void)
{
	struct itimerval soon = { { 0, 0 }, { 0, 20000 } };
	ignore(SIGALRM);
	L(setitimer)(ITIMER_REAL, &soon, NULL);
}

static timer_t *made(void)
{
	struct sigevent none = { .sigev_notify = SIGEV_NONE };
	L(timer_create)(CLOCK_MONOTONIC, &none, &timer);
	return &timer;
}

/* Clocks. */
PROBE(time, "", , VALUE(L(time)(NULL) > 0))
PROBE(gettimeofday, "", , NUMBER(L(gettimeofday)(&tv, NULL)))
PROBE(clock_gettime, "CLOCK_REALTIME", , NUMBER(L(clock_gettime)(CLOCK_REALTIME, &ts)))
PROBE(clock_gettime, "CLOCK_MONOTONIC", , NUMBER(L(clock_gettime)(CLOCK_MONOTONIC, &ts)))
PROBE(clock_gettime, "CLOCK_MONOTONIC_COARSE", , NUMBER(L(clock_gettime)(CLOCK_MONOTONIC_COARSE, &ts)))
PROBE(clock_gettime, "CLOCK_PROCESS_CPUTIME_ID", , NUMBER(L(clock_gettime)(CLOCK_PROCESS_CPUTIME_ID, &ts)))
PROBE(clock_gettime, "CLOCK_THREAD_CPUTIME_ID", , NUMBER(L(clock_gettime)(CLOCK_THREAD_CPUTIME_ID, &ts)))
PROBE(clock_getres, "CLOCK_REALTIME", , NUMBER(L(clock_getres)(CLOCK_REALTIME, &ts)))
PROBE(clock_getres, "CLOCK_PROCESS_CPUTIME_ID", , NUMBER(L(clock_getres)(CLOCK_PROCESS_CPUTIME_ID, &ts)))
PROBE(clock_getcpuclockid, "itself", , ERROR(L(clock_getcpuclockid)(0, &clock_of)))
PROBE(clock_getcpuclockid, "another", int c = child_waits(), ERROR(L(clock_getcpuclockid)(c, &clock_of)))
PROBE(clock, "", , VALUE(L(clock)() >= 0))
PROBE(times, "", , VALUE(L(times)(&used) != -1))
PROBE(timespec_get, "", , VALUE(L(timespec_get)(&ts, TIME_UTC)))
PROBE(timespec_getres, "", , VALUE(N(int(struct timespec *, int), timespec_getres)(&ts, TIME_UTC)))
PROBE(ftime, "", , NUMBER(N(int(struct timeb *), ftime)((struct timeb *)buffer)))
PROBE(clock_settime, "", , NUMBER(L(clock_settime)(CLOCK_REALTIME, &brief)))
PROBE(settimeofday, "", , NUMBER(L(settimeofday)(&tv, NULL)))
PROBE(adjtime, "", , NUMBER(L(adjtime)(NULL, &tv)))
PROBE(adjtimex, "", , FD(L(adjtimex)(&adjust)))
PROBE(clock_adjtime, "", , FD(L(clock_adjtime)(CLOCK_REALTIME, &adjust)))
#ifdef __GLIBC__
PROBE(ntp_gettime, "", , FD(L(ntp_gettime)((struct ntptimeval *)buffer)))
PROBE(ntp_adjtime, "", , FD(L(ntp_adjtime)(&adjust)))
#endif

/* Calendar time, by the zone of the environment and by a file. */
FIRST(tzset, "TZ unset", L(unsetenv)("TZ"), DONE((L(tzset)(), 0)))
FIRST(localtime, "TZ unset", L(unsetenv)("TZ"), POINTER(L(localtime)(&seconds)))
FIRST(localtime, "TZ names a zone", L(setenv)("TZ", "Europe/Paris", 1), POINTER(L(localtime)(&seconds)))
PROBE(localtime, "", L(localtime)(&seconds), POINTER(L(localtime)(&seconds)))
PROBE(gmtime, "", , POINTER(L(gmtime)(&seconds)))
FIRST(mktime, "TZ unset", L(unsetenv)("TZ"), VALUE(L(mktime)((struct tm *)buffer) != 1))
FIRST(strftime, "", , VALUE(L(strftime)(buffer, 99, "%c", L(gmtime)(&seconds)) > 0))

/* Sleeping. */
PROBE(nanosleep, "", , NUMBER(L(nanosleep)(&brief, &left)))
PROBE(clock_nanosleep, "relative", , ERROR(L(clock_nanosleep)(CLOCK_MONOTONIC, 0, &brief, NULL)))
PROBE(clock_nanosleep, "TIMER_ABSTIME", L(clock_gettime)(CLOCK_REALTIME, &ts),
      ERROR(L(clock_nanosleep)(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL)))
PROBE(usleep, "", , NUMBER(L(usleep)(2000)))
PROBE(sleep, "interrupted", alarm_soon(), VALUE(L(sleep)(1)))
PROBE(thrd_sleep, "", , VALUE(L(thrd_sleep)(&brief, NULL)))
PROBE(pause, "", alarm_soon(), NUMBER(L(pause)()))

/* Timers. */
PROBE(alarm, "", , NUMBER(L(alarm)(9)))
PROBE(ualarm, "", , VALUE(L(ualarm)(900000, 0) == 0))
PROBE(getitimer, "ITIMER_REAL", , NUMBER(L(getitimer)(ITIMER_REAL, &every)))
PROBE(setitimer, "ITIMER_REAL", , NUMBER(L(setitimer)(ITIMER_REAL, &every, &before)))
PROBE(setitimer, "ITIMER_PROF", , NUMBER(L(setitimer)(ITIMER_PROF, &every, NULL)))
PROBE(timer_create, "SIGEV_NONE", struct sigevent e = { .sigev_notify = SIGEV_NONE },
      NUMBER(L(timer_create)(CLOCK_MONOTONIC, &e, &timer)))
PROBE(timer_create, "SIGEV_SIGNAL", , NUMBER(L(timer_create)(CLOCK_MONOTONIC, NULL, &timer)))
PROBE(timer_create, "SIGEV_THREAD", struct sigevent e = { .sigev_notify = SIGEV_THREAD };
      e.sigev_notify_function = expired, NUMBER(L(timer_create)(CLOCK_MONOTONIC, &e, &timer)))
PROBE(timer_settime, "", made(), NUMBER(L(timer_settime)(timer, 0, &once, &was)))
PROBE(timer_gettime, "", made(), NUMBER(L(timer_gettime)(timer, &was)))
PROBE(timer_getoverrun, "", made(), NUMBER(L(timer_getoverrun)(timer)))
PROBE(timer_delete, "", made(), NUMBER(L(timer_delete)(timer)))
PROBE(timerfd_create, "", , FD(L(timerfd_create)(CLOCK_MONOTONIC, 0)))
PROBE(timerfd_create, "TFD_CLOEXEC|TFD_NONBLOCK", , FD(L(timerfd_create)(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK)))
PROBE(timerfd_settime, "", int fd = L(timerfd_create)(CLOCK_MONOTONIC, 0), NUMBER(L(timerfd_settime)(fd, 0, &once, &was)))
PROBE(timerfd_gettime, "", int fd = L(timerfd_create)(CLOCK_MONOTONIC, 0), NUMBER(L(timerfd_gettime)(fd, &was)))
