/* Threads, and how they wait for each other. */
#include "probe.h"
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <threads.h>

static pthread_t id;
static pthread_attr_t attributes;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutexattr_t kind;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_condattr_t monotonic;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_spinlock_t spin;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static sem_t semaphore;
static thrd_t other;
static mtx_t plain;
static cnd_t signalled;
static void *value;
static struct sched_param priority;
static clockid_t clock_of;
static int policy, old;
static struct timespec past = { 1, 0 };

static void *returns(void *argument)
{
	return argument;
}

static int returns_int(void *argument)
{
	return (void)argument, 0;
}

/* A thread that is not there for what it does, but to be there. */
static void *waits(void *argument)
{
	pause_ms(argument ? 30 : 5000);
	return NULL;
}

static void *holds(void *argument)
{
	L(pthread_mutex_lock)(&mutex);
	pause_ms(argument ? 40 : 5000);
	L(pthread_mutex_unlock)(&mutex);
	return NULL;
}

static void *writes(void *argument)
{
	(void)argument;
	L(pthread_rwlock_wrlock)(&lock);
	pause_ms(40);
	L(pthread_rwlock_unlock)(&lock);
	return NULL;
}

static void *wants(void *argument)
{
	(void)argument;
	L(pthread_mutex_lock)(&mutex);
	return NULL;
}

static void *awaits(void *argument)
{
	(void)argument;
	L(pthread_mutex_lock)(&mutex);
	L(pthread_cond_wait)(&condition, &mutex);
	L(pthread_mutex_unlock)(&mutex);
	return NULL;
}

static void *posts(void *argument)
{
	(void)argument;
	pause_ms(40);
	L(sem_post)(&semaphore);
	return NULL;
}

static void *waits_for_post(void *argument)
{
	(void)argument;
	L(sem_wait)(&semaphore);
	return NULL;
}

static void *meets(void *argument)
{
	(void)argument;
	L(pthread_barrier_wait)(&barrier);
	return NULL;
}

static pthread_t start(void *(*function)(void *), void *argument)
{
	L(pthread_create)(&id, NULL, function, argument);
	pause_ms(15);
	return id;
}

static struct timespec *soon(void)
{
	static struct timespec ts;
	L(clock_gettime)(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 5000000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return &ts;
}

static void prepared(int type, int protocol, int robust)
{
	L(pthread_mutexattr_init)(&kind);
	L(pthread_mutexattr_settype)(&kind, type);
	L(pthread_mutexattr_setprotocol)(&kind, protocol);
	L(pthread_mutexattr_setrobust)(&kind, robust);
	L(pthread_mutex_init)(&mutex, &kind);
}

static void nothing_much(void)
{
}


/* Starting and ending. What (thread) shows is the first one of a process; these are the second. */
PROBE(pthread_create, "", start(waits, NULL), ERROR(L(pthread_create)(&id, NULL, returns, NULL)))
FIRST(pthread_create, "first", , ERROR(L(pthread_create)(&id, NULL, returns, NULL)))
PROBE(pthread_create, "detached", L(pthread_attr_init)(&attributes);
      L(pthread_attr_setdetachstate)(&attributes, PTHREAD_CREATE_DETACHED),
      ERROR(L(pthread_create)(&id, &attributes, returns, NULL)))
PROBE(pthread_create, "stack and guard", L(pthread_attr_init)(&attributes);
      L(pthread_attr_setstacksize)(&attributes, 1 << 20); L(pthread_attr_setguardsize)(&attributes, 65536),
      ERROR(L(pthread_create)(&id, &attributes, returns, NULL)))
PROBE(pthread_create, "scheduling", L(pthread_attr_init)(&attributes);
      L(pthread_attr_setinheritsched)(&attributes, PTHREAD_EXPLICIT_SCHED),
      ERROR(L(pthread_create)(&id, &attributes, returns, NULL)))
#ifdef __GLIBC__
static cpu_set_t cpus;
PROBE(pthread_create, "affinity", L(pthread_attr_init)(&attributes); L(sched_getaffinity)(0, sizeof cpus, &cpus);
      L(pthread_attr_setaffinity_np)(&attributes, sizeof cpus, &cpus),
      ERROR(L(pthread_create)(&id, &attributes, returns, NULL)))
PROBE(pthread_timedjoin_np, "", start(waits, NULL), ERROR(L(pthread_timedjoin_np)(id, &value, soon())))
PROBE(pthread_tryjoin_np, "", start(waits, NULL), ERROR(L(pthread_tryjoin_np)(id, &value)))
PROBE(pthread_setaffinity_np, "", L(sched_getaffinity)(0, sizeof cpus, &cpus),
      ERROR(L(pthread_setaffinity_np)(L(pthread_self)(), sizeof cpus, &cpus)))
PROBE(pthread_getaffinity_np, "", , ERROR(L(pthread_getaffinity_np)(L(pthread_self)(), sizeof cpus, &cpus)))
PROBE(pthread_sigqueue, "", union sigval sent = { 0 }; start(waits, NULL), ERROR(L(pthread_sigqueue)(id, 0, sent)))
PROBE(pthread_yield, "", , VALUE(N(int(void), pthread_yield)()))
#endif
PROBE(pthread_join, "running", start(waits, &value), ERROR(L(pthread_join)(id, &value)))
PROBE(pthread_join, "ended", start(returns, NULL), ERROR(L(pthread_join)(id, &value)))
PROBE(pthread_detach, "running", start(waits, NULL), ERROR(L(pthread_detach)(id)))
PROBE(pthread_detach, "ended", start(returns, NULL), ERROR(L(pthread_detach)(id)))
PROBE(pthread_exit, "of the first thread", , NEVER((L(pthread_exit)(NULL), 0)))
PROBE(pthread_cancel, "another", start(waits, NULL), ERROR(L(pthread_cancel)(id)))
PROBE(pthread_setcanceltype, "", , ERROR(L(pthread_setcanceltype)(PTHREAD_CANCEL_ASYNCHRONOUS, &old)))
PROBE(pthread_kill, "itself", , ERROR(L(pthread_kill)(L(pthread_self)(), 0)))
PROBE(pthread_kill, "another", start(waits, NULL); ignore(SIGUSR1), ERROR(L(pthread_kill)(id, SIGUSR1)))
PROBE(pthread_sigmask, "SIG_BLOCK", sigset_t set; L(sigemptyset)(&set), ERROR(L(pthread_sigmask)(SIG_BLOCK, &set, NULL)))
PROBE(pthread_once, "", , ERROR(L(pthread_once)(&once, nothing_much)))
PROBE(pthread_getattr_np, "the first thread", , ERROR(L(pthread_getattr_np)(L(pthread_self)(), &attributes)))
PROBE(pthread_getattr_np, "another", start(waits, NULL), ERROR(L(pthread_getattr_np)(id, &attributes)))
PROBE(pthread_setname_np, "itself", , ERROR(L(pthread_setname_np)(L(pthread_self)(), "name")))
PROBE(pthread_setname_np, "another", start(waits, NULL), ERROR(L(pthread_setname_np)(id, "name")))
PROBE(pthread_getname_np, "itself", , ERROR(N(int(pthread_t, char *, size_t), pthread_getname_np)(L(pthread_self)(), buffer, 99)))
PROBE(pthread_getname_np, "another", start(waits, NULL), ERROR(N(int(pthread_t, char *, size_t), pthread_getname_np)(id, buffer, 99)))
PROBE(pthread_getschedparam, "", , ERROR(L(pthread_getschedparam)(L(pthread_self)(), &policy, &priority)))
PROBE(pthread_setschedparam, "", , ERROR(L(pthread_setschedparam)(L(pthread_self)(), SCHED_OTHER, &priority)))
PROBE(pthread_setschedprio, "", , ERROR(L(pthread_setschedprio)(L(pthread_self)(), 0)))
PROBE(pthread_getcpuclockid, "", , ERROR(L(pthread_getcpuclockid)(L(pthread_self)(), &clock_of)))
PROBE(pthread_setconcurrency, "", , ERROR(L(pthread_setconcurrency)(0)))

/* With more than one thread some functions have to tell the others. */
#ifdef __GLIBC__      /* musl's threads meet by chance there: it comes out otherwise each time */
PROBE(setuid, "with threads", start(waits, NULL), NUMBER(L(setuid)(0)))
PROBE(setresgid, "with threads", start(waits, NULL), NUMBER(L(setresgid)(0, 0, 0)))
#endif
PROBE(fork, "with threads", start(waits, NULL), ({ pid_t p = L(fork)(); if (!p) leave(0); FD(p); }))
PROBE(read, "a pipe, with threads", start(waits, NULL); int fd = pipe_with("text"), NUMBER(L(read)(fd, buffer, 8)))
PROBE(close, "with threads", start(waits, NULL); int fd = file("f"), NUMBER(L(close)(fd)))
PROBE(pthread_create, "of malloc", , ERROR(L(pthread_create)(&id, NULL, (void *(*)(void *))look("malloc"), (void *)4000)))

/* Mutexes: free, held by another thread, given back to a waiting one. */
PROBE(pthread_mutex_lock, "free", , ERROR(L(pthread_mutex_lock)(&mutex)))
PROBE(pthread_mutex_lock, "held", start(holds, &value), ERROR(L(pthread_mutex_lock)(&mutex)))
PROBE(pthread_mutex_timedlock, "held", start(holds, NULL), ERROR(L(pthread_mutex_timedlock)(&mutex, soon())))
PROBE(pthread_mutex_clocklock, "held", start(holds, NULL),
      ERROR(N(int(void *, int, void *), pthread_mutex_clocklock)(&mutex, CLOCK_REALTIME, soon())))
PROBE(pthread_mutex_trylock, "held", start(holds, NULL), ERROR(L(pthread_mutex_trylock)(&mutex)))
PROBE(pthread_mutex_unlock, "wanted", L(pthread_mutex_lock)(&mutex); start(wants, NULL),
      ERROR(L(pthread_mutex_unlock)(&mutex)))
PROBE(pthread_mutex_init, "PTHREAD_PRIO_INHERIT", L(pthread_mutexattr_init)(&kind);
      L(pthread_mutexattr_setprotocol)(&kind, PTHREAD_PRIO_INHERIT), ERROR(L(pthread_mutex_init)(&mutex, &kind)))
PROBE(pthread_mutexattr_setprotocol, "PTHREAD_PRIO_INHERIT", L(pthread_mutexattr_init)(&kind),
      ERROR(L(pthread_mutexattr_setprotocol)(&kind, PTHREAD_PRIO_INHERIT)))
PROBE(pthread_mutexattr_setrobust, "", L(pthread_mutexattr_init)(&kind),
      ERROR(L(pthread_mutexattr_setrobust)(&kind, PTHREAD_MUTEX_ROBUST)))
PROBE(pthread_mutex_lock, "inheriting, free", prepared(0, PTHREAD_PRIO_INHERIT, 0), ERROR(L(pthread_mutex_lock)(&mutex)))
PROBE(pthread_mutex_lock, "inheriting, held", prepared(0, PTHREAD_PRIO_INHERIT, 0); start(holds, &value),
      ERROR(L(pthread_mutex_lock)(&mutex)))
PROBE(pthread_mutex_timedlock, "inheriting, held", prepared(0, PTHREAD_PRIO_INHERIT, 0); start(holds, NULL),
      ERROR(L(pthread_mutex_timedlock)(&mutex, soon())))
PROBE(pthread_mutex_lock, "robust, free", prepared(0, 0, PTHREAD_MUTEX_ROBUST), ERROR(L(pthread_mutex_lock)(&mutex)))
PROBE(pthread_mutex_lock, "robust, held", prepared(0, 0, PTHREAD_MUTEX_ROBUST); start(holds, &value),
      ERROR(L(pthread_mutex_lock)(&mutex)))

/* Conditions, locks of readers and writers, barriers, semaphores. */
PROBE(pthread_cond_timedwait, "", L(pthread_mutex_lock)(&mutex),
      ERROR(L(pthread_cond_timedwait)(&condition, &mutex, soon())))
PROBE(pthread_cond_timedwait, "CLOCK_MONOTONIC", L(pthread_condattr_init)(&monotonic);
      L(pthread_condattr_setclock)(&monotonic, CLOCK_MONOTONIC); L(pthread_cond_init)(&condition, &monotonic);
      L(pthread_mutex_lock)(&mutex),
      ERROR(L(pthread_cond_timedwait)(&condition, &mutex, &past)))
PROBE(pthread_cond_signal, "awaited", start(awaits, NULL), ERROR(L(pthread_cond_signal)(&condition)))
PROBE(pthread_cond_signal, "not awaited", , ERROR(L(pthread_cond_signal)(&condition)))
PROBE(pthread_cond_broadcast, "awaited", start(awaits, NULL), ERROR(L(pthread_cond_broadcast)(&condition)))
PROBE(pthread_rwlock_rdlock, "free", , ERROR(L(pthread_rwlock_rdlock)(&lock)))
PROBE(pthread_rwlock_rdlock, "written", start(writes, NULL), ERROR(L(pthread_rwlock_rdlock)(&lock)))
PROBE(pthread_rwlock_wrlock, "written", start(writes, NULL), ERROR(L(pthread_rwlock_wrlock)(&lock)))
PROBE(pthread_rwlock_timedrdlock, "written", start(writes, NULL), ERROR(L(pthread_rwlock_timedrdlock)(&lock, soon())))
PROBE(pthread_rwlock_unlock, "free of waiters", L(pthread_rwlock_wrlock)(&lock), ERROR(L(pthread_rwlock_unlock)(&lock)))
PROBE(pthread_barrier_wait, "the last", L(pthread_barrier_init)(&barrier, NULL, 2); start(meets, NULL),
      VALUE(L(pthread_barrier_wait)(&barrier)))
PROBE(pthread_spin_lock, "free", L(pthread_spin_init)(&spin, 0), ERROR(L(pthread_spin_lock)(&spin)))
PROBE(sem_init, "", , NUMBER(L(sem_init)(&semaphore, 0, 0)))
PROBE(sem_wait, "free", L(sem_init)(&semaphore, 0, 1), NUMBER(L(sem_wait)(&semaphore)))
PROBE(sem_wait, "posted later", L(sem_init)(&semaphore, 0, 0); start(posts, NULL), NUMBER(L(sem_wait)(&semaphore)))
PROBE(sem_timedwait, "", L(sem_init)(&semaphore, 0, 0), NUMBER(L(sem_timedwait)(&semaphore, soon())))
PROBE(sem_trywait, "", L(sem_init)(&semaphore, 0, 0), NUMBER(L(sem_trywait)(&semaphore)))
PROBE(sem_post, "awaited", L(sem_init)(&semaphore, 0, 0); start(waits_for_post, NULL), NUMBER(L(sem_post)(&semaphore)))
PROBE(sem_post, "not awaited", L(sem_init)(&semaphore, 0, 0), NUMBER(L(sem_post)(&semaphore)))

/* The same in C11's words; thrd_success is 0. */
PROBE(thrd_create, "", , VALUE(L(thrd_create)(&other, returns_int, NULL)))
PROBE(thrd_join, "ended", L(thrd_create)(&other, returns_int, NULL); pause_ms(15), VALUE(L(thrd_join)(other, &old)))
PROBE(thrd_yield, "", , DONE((L(thrd_yield)(), 0)))
PROBE(mtx_lock, "free", L(mtx_init)(&plain, mtx_plain), VALUE(L(mtx_lock)(&plain)))
PROBE(cnd_timedwait, "", L(mtx_init)(&plain, mtx_timed); L(cnd_init)(&signalled); L(mtx_lock)(&plain),
      VALUE(L(cnd_timedwait)(&signalled, &plain, soon())))
PROBE(pthread_key_create, "", pthread_key_t key = 0, ERROR(L(pthread_key_create)(&key, NULL)))
