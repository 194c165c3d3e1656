/* Ask the running kernel what filters answer to calls.

   Standard input holds jobs: two words, the numbers of filters and of calls; the filters, oldest first, each a
   word, the number of its instructions, and the instructions (struct sock_filter); the calls (struct call).
   Standard output gets the addresses that the kernel reports as the instruction pointer, one an entry, then one
   signed 64-bit number a call: what the call gave, or KILLED_THREAD, KILLED_PROCESS, or TRAPPED plus the data.
   The calls are made, so that the filters must refuse all that do harm; every filter but the newest must
   allow prctl.

   A filter that refuses everything refuses to exit, too. So a child ends by an instruction that does not exist,
   and what it has found out is in memory that it shares with its parent; a child that a filter kills is
   followed by another that goes on with the next call. Works without privileges. */

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SYSCALL, INT80, ENTRIES, MOST_INSNS = 4096, MOST_FILTERS = 8, MOST_CALLS = 4096 };

#define KILLED_THREAD INT64_MIN
#define KILLED_PROCESS (INT64_MIN + 1)
#define TRAPPED (INT64_MIN + 0x10000)

struct call {
    uint64_t entry;
    uint64_t nr;
    uint64_t args[6];
};

static struct shared {
    uint32_t next;   /* the call that is being made */
    int32_t refused; /* whether the kernel refused a filter */
    int64_t answers[MOST_CALLS];
} *shared;

static struct job {
    uint32_t filters, calls;
    struct sock_fprog programs[MOST_FILTERS];
    struct sock_filter insns[MOST_FILTERS][MOST_INSNS];
    struct call call[MOST_CALLS];
} job;

static long (*enter[ENTRIES])(const struct call *);
static void *back[5]; /* where a trapped call goes on, for __builtin_longjmp */

/* The code that makes calls is copied to one place that is the same in every run, so that a seed says all
   about a run, and whose address has bits in both halves where it has two. */
extern const char doors[], doors_end[], door_syscall[], door_int80[], after_syscall[], after_int80[];

#ifdef __x86_64__
#define PLACE ((void *)0x123456789000)
__asm__(".pushsection .text\n"
        "doors:\n"
        "door_syscall:\n"
        "  movq 8(%rdi), %rax\n"
        "  movq 24(%rdi), %rsi\n"
        "  movq 32(%rdi), %rdx\n"
        "  movq 40(%rdi), %r10\n"
        "  movq 48(%rdi), %r8\n"
        "  movq 56(%rdi), %r9\n"
        "  movq 16(%rdi), %rdi\n"
        "  syscall\n"
        "after_syscall:\n"
        "  ret\n"
        "door_int80:\n"
        "  pushq %rbx\n"
        "  pushq %rbp\n"
        "  movq 8(%rdi), %rax\n"
        "  movq 16(%rdi), %rbx\n"
        "  movq 24(%rdi), %rcx\n"
        "  movq 32(%rdi), %rdx\n"
        "  movq 40(%rdi), %rsi\n"
        "  movq 56(%rdi), %rbp\n"
        "  movq 48(%rdi), %rdi\n"
        "  int $0x80\n"
        "after_int80:\n"
        "  popq %rbp\n"
        "  popq %rbx\n"
        "  ret\n"
        "doors_end:\n"
        ".popsection\n");
#else
#define PLACE ((void *)0x12345000)
__asm__(".pushsection .text\n"
        "doors:\n"
        "door_int80:\n"
        "  pushl %ebx\n"
        "  pushl %ebp\n"
        "  pushl %esi\n"
        "  pushl %edi\n"
        "  movl 20(%esp), %edi\n"
        "  movl 8(%edi), %eax\n"
        "  movl 16(%edi), %ebx\n"
        "  movl 24(%edi), %ecx\n"
        "  movl 32(%edi), %edx\n"
        "  movl 40(%edi), %esi\n"
        "  movl 56(%edi), %ebp\n"
        "  movl 48(%edi), %edi\n"
        "  int $0x80\n"
        "after_int80:\n"
        "  popl %edi\n"
        "  popl %esi\n"
        "  popl %ebp\n"
        "  popl %ebx\n"
        "door_syscall:\n" /* there is none here, and no job asks for it */
        "after_syscall:\n"
        "  ret\n"
        "doors_end:\n"
        ".popsection\n");
#endif

static void fail(const char *what) {
    perror(what);
    exit(2);
}

static void get(void *memory, size_t size) {
    if (size && fread(memory, size, 1, stdin) != 1)
        fail("a job that ends early");
}

static void trapped(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    shared->answers[shared->next++] = TRAPPED + info->si_errno;
    __builtin_longjmp(back, 1); /* sigreturn is a call */
}

/* A thread of its own, so that killing the thread is not killing the process. */
static void *confined(void *unused) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        fail("no_new_privs");
    for (uint32_t filter = 0; filter < job.filters; filter++)
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &job.programs[filter])) {
            shared->refused = 1;
            return unused;
        }
    __builtin_setjmp(back);
    while (shared->next < job.calls) {
        const struct call *call = &job.call[shared->next];
        shared->answers[shared->next] = enter[call->entry](call);
        shared->next++;
    }
    __builtin_trap();
}

static void child(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, confined, NULL) || pthread_join(thread, NULL))
        fail("pthread");
    _exit(0);
}

static int judge(void) {
    shared->next = 0;
    while (shared->next < job.calls) {
        int status;
        fflush(stdout);
        pid_t pid = fork();
        if (pid < 0)
            fail("fork");
        if (pid == 0)
            child();
        if (waitpid(pid, &status, 0) != pid)
            fail("waitpid");
        int over = shared->next >= job.calls;
        if (shared->refused) {
            fprintf(stderr, "the kernel refuses a filter\n");
            return 3;
        }
        if (!over && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
            shared->answers[shared->next++] = KILLED_PROCESS;
        else if (!over && WIFEXITED(status) && WEXITSTATUS(status) == 0)
            shared->answers[shared->next++] = KILLED_THREAD;
        else if (!over || !WIFSIGNALED(status) || WTERMSIG(status) != SIGILL) {
            fprintf(stderr, "wait status %#x at call %u of %u\n", status, shared->next, job.calls);
            return 4;
        }
    }
    return 0;
}

int main(void) {
    static char out[1 << 16];
    const struct rlimit none = {0, 0};
    /* Not masked while it runs, since it never returns. */
    const struct sigaction handler = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO | SA_NODEFER};

    setrlimit(RLIMIT_CORE, &none);
    sigaction(SIGSYS, &handler, NULL);
    setvbuf(stdout, out, _IOFBF, sizeof out);
    char *place = mmap(PLACE, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place != PLACE)
        fail("mmap");
    memcpy(place, doors, doors_end - doors);
    if (mprotect(place, 4096, PROT_READ | PROT_EXEC))
        fail("mprotect");
    enter[SYSCALL] = (long (*)(const struct call *))(place + (door_syscall - doors));
    enter[INT80] = (long (*)(const struct call *))(place + (door_int80 - doors));
    const uint64_t pointers[ENTRIES] = {
        (uintptr_t)place + (after_syscall - doors),
        (uintptr_t)place + (after_int80 - doors),
    };
    fwrite(pointers, sizeof pointers, 1, stdout);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        fail("mmap");

    while (fread(&job.filters, sizeof job.filters, 1, stdin) == 1) {
        get(&job.calls, sizeof job.calls);
        if (job.filters > MOST_FILTERS || job.calls > MOST_CALLS)
            fail("a job that is too large");
        for (uint32_t filter = 0; filter < job.filters; filter++) {
            uint32_t insns;
            get(&insns, sizeof insns);
            if (insns > MOST_INSNS)
                fail("a filter that is too long");
            get(job.insns[filter], insns * sizeof *job.insns[filter]);
            job.programs[filter] = (struct sock_fprog){insns, job.insns[filter]};
        }
        get(job.call, job.calls * sizeof *job.call);
        int wrong = judge();
        if (wrong)
            return wrong;
        fwrite(shared->answers, sizeof *shared->answers, job.calls, stdout);
    }
    return ferror(stdout) || fflush(stdout) ? 2 : 0;
}
