/* Signals: dispositions, masks, sending, waiting; contexts. */
#include "probe.h"
#include <setjmp.h>
#include <sys/signalfd.h>
#ifdef __GLIBC__
#include <ucontext.h>
#endif

static struct sigaction action, former;
static sigset_t set;
static siginfo_t info;
static stack_t alternate = { .ss_sp = buffer, .ss_size = 32768 };
static struct timespec brief = { 0, 2000000 };
static union sigval value;
static int number;
static void handler(int signum)
{
	(void)signum;
}

/* A signal that waits to be taken. */
static sigset_t *pending(int signum)
{
	L(sigemptyset)(&set);
	L(sigaddset)(&set, signum);
	L(sigprocmask)(SIG_BLOCK, &set, NULL);
	unseen(SYS_kill, unseen(SYS_getpid, 0, 0, 0, 0, 0), signum, 0, 0, 0);
	return &set;
}

PROBE(sigaction, "set", action.sa_handler = handler, NUMBER(L(sigaction)(SIGUSR1, &action, &former)))
PROBE(sigaction, "ask", , NUMBER(L(sigaction)(SIGUSR1, NULL, &former)))
PROBE(signal, "", , VALUE(L(signal)(SIGUSR1, handler) == SIG_DFL))
PROBE(sigset, "", , VALUE(N(void (*(int, void (*)(int)))(int), sigset)(SIGUSR1, handler) == SIG_DFL))
PROBE(sighold, "", , NUMBER(N(int(int), sighold)(SIGUSR1)))
PROBE(sigrelse, "", , NUMBER(N(int(int), sigrelse)(SIGUSR1)))
PROBE(sigignore, "", , NUMBER(N(int(int), sigignore)(SIGUSR1)))
PROBE(siginterrupt, "", , NUMBER(N(int(int, int), siginterrupt)(SIGUSR1, 1)))
PROBE(sigprocmask, "SIG_BLOCK", L(sigemptyset)(&set), NUMBER(L(sigprocmask)(SIG_BLOCK, &set, NULL)))
PROBE(sigprocmask, "SIG_SETMASK", L(sigemptyset)(&set), NUMBER(L(sigprocmask)(SIG_SETMASK, &set, NULL)))
PROBE(sigpending, "", , NUMBER(L(sigpending)(&set)))
PROBE(sigsuspend, "", ignore(SIGUSR1); pending(SIGUSR1); L(sigemptyset)(&set), NUMBER(L(sigsuspend)(&set)))
PROBE(sigwait, "", pending(SIGUSR1), ERROR(L(sigwait)(&set, &number)))
PROBE(sigwaitinfo, "", pending(SIGUSR1), NUMBER(L(sigwaitinfo)(&set, &info)))
PROBE(sigtimedwait, "taken", pending(SIGUSR1), NUMBER(L(sigtimedwait)(&set, &info, &brief)))
PROBE(sigtimedwait, "in vain", L(sigemptyset)(&set), NUMBER(L(sigtimedwait)(&set, &info, &brief)))
PROBE(sigaltstack, "", , NUMBER(L(sigaltstack)(&alternate, NULL)))
PROBE(raise, "handled", ignore(SIGUSR1), NUMBER(L(raise)(SIGUSR1)))
PROBE(raise, "deadly", , NEVER(L(raise)(SIGTERM)))
PROBE(kill, "itself", ignore(SIGUSR1); int p = L(getpid)(), NUMBER(L(kill)(p, SIGUSR1)))
PROBE(kill, "another", int c = child_waits(), NUMBER(L(kill)(c, SIGTERM)))
PROBE(kill, "its group", L(setsid)(); ignore(SIGUSR1), NUMBER(L(kill)(0, SIGUSR1)))
PROBE(killpg, "", L(setsid)(); ignore(SIGUSR1); int p = L(getpid)(), NUMBER(L(killpg)(p, SIGUSR1)))
PROBE(sigqueue, "", ignore(SIGUSR1); int p = L(getpid)(), NUMBER(L(sigqueue)(p, SIGUSR1, value)))
PROBE(tgkill, "", ignore(SIGUSR1); int p = L(getpid)(), NUMBER(N(int(pid_t, pid_t, int), tgkill)(p, p, SIGUSR1)))
PROBE(signalfd, "no flags", L(sigemptyset)(&set), FD(L(signalfd)(-1, &set, 0)))
PROBE(signalfd, "SFD_CLOEXEC|SFD_NONBLOCK", L(sigemptyset)(&set), FD(L(signalfd)(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)))
/* A handler returns by a call. Somebody else sends the signal, so that nothing else is seen. */
static volatile int handled;

static void notices(int signum)
{
	handled = signum;
}

static void signalled_later(void)
{
	long me = unseen(SYS_getpid, 0, 0, 0, 0, 0);
	action.sa_handler = notices;
	L(sigaction)(SIGUSR1, &action, NULL);
	if (helper() == 0)
		for (;;) {
			pause_ms(5);
			unseen(SYS_kill, me, SIGUSR1, 0, 0, 0);
		}
}

MOMENT("(handler)", "", 0, signalled_later(), ({
	handled = 0;
	while (!handled)
		;
	DONE(0);
}))

/* Contexts keep the mask of signals. */
#ifdef __GLIBC__
static ucontext_t here, there;

static void returns(void)
{
}

PROBE(getcontext, "", , NUMBER(L(getcontext)(&here)))
PROBE(swapcontext, "", L(getcontext)(&there); there.uc_stack.ss_sp = buffer; there.uc_stack.ss_size = sizeof buffer;
      there.uc_link = &here; L(makecontext)(&there, returns, 0), NUMBER(L(swapcontext)(&here, &there)))
PROBE(__sigsetjmp, "with the mask", sigjmp_buf place, NUMBER(N(int(void *, int), __sigsetjmp)(place, 1)))
PROBE(psiginfo, "", L(memset)(&info, 0, sizeof info); info.si_signo = SIGHUP, DONE((L(psiginfo)(&info, "text"), 0)))
#endif
