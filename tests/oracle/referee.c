/* Ask the running kernel what filters answer to calls.

   Standard input holds jobs: two words, the numbers of instructions and of calls; the instructions
   (struct sock_filter); the calls (struct call). Standard output gets the addresses that the kernel reports
   as the instruction pointer, one an entry, then one signed 64-bit number a call: what the call gave, or
   KILLED. A filter must answer every call with an errno or by killing, since the calls are made.

   Its filter forbids a child to exit, so that a child ends by an instruction that does not exist; what it has
   found out is in memory that it shares with its parent. A child that a filter kills is followed by another
   that goes on with the next call. Works without privileges. */

#include <linux/filter.h>
#include <linux/seccomp.h>
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

enum { SYSCALL, INT80, ENTRIES, MOST_INSNS = 4096, MOST_CALLS = 4096 };

#define KILLED INT64_MIN

struct call {
    uint64_t entry;
    uint64_t nr;
    uint64_t args[6];
};

struct shared {
    uint32_t next; /* the call that is being made */
    int32_t refused; /* whether the kernel refused the filter */
    int64_t answers[MOST_CALLS];
};

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

static void child(struct shared *shared, const struct sock_fprog *program, const struct call *calls, uint32_t count,
                  long (*const *enter)(const struct call *)) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program)) {
        shared->refused = 1;
        _exit(0);
    }
    while (shared->next < count) {
        const struct call *call = &calls[shared->next];
        shared->answers[shared->next] = enter[call->entry](call);
        shared->next++;
    }
    __builtin_trap();
}

int main(void) {
    static struct sock_filter insns[MOST_INSNS];
    static struct call calls[MOST_CALLS];
    static char out[1 << 16];
    const struct rlimit none = {0, 0};
    uint32_t sizes[2];

    setrlimit(RLIMIT_CORE, &none);
    setvbuf(stdout, out, _IOFBF, sizeof out);
    char *place = mmap(PLACE, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place != PLACE)
        fail("mmap");
    memcpy(place, doors, doors_end - doors);
    if (mprotect(place, 4096, PROT_READ | PROT_EXEC))
        fail("mprotect");
    long (*const enter[ENTRIES])(const struct call *) = {
        (long (*)(const struct call *))(place + (door_syscall - doors)),
        (long (*)(const struct call *))(place + (door_int80 - doors)),
    };
    const uint64_t pointers[ENTRIES] = {
        (uintptr_t)place + (after_syscall - doors),
        (uintptr_t)place + (after_int80 - doors),
    };
    fwrite(pointers, sizeof pointers, 1, stdout);
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        fail("mmap");

    while (fread(sizes, sizeof sizes, 1, stdin) == 1) {
        if (sizes[0] > MOST_INSNS || sizes[1] > MOST_CALLS)
            fail("a job that is too large");
        get(insns, sizes[0] * sizeof *insns);
        get(calls, sizes[1] * sizeof *calls);
        const struct sock_fprog program = {sizes[0], insns};
        shared->next = 0;
        while (shared->next < sizes[1]) {
            fflush(stdout);
            pid_t pid = fork();
            if (pid < 0)
                fail("fork");
            if (pid == 0)
                child(shared, &program, calls, sizes[1], enter);
            int status;
            if (waitpid(pid, &status, 0) != pid)
                fail("waitpid");
            if (shared->refused) {
                fprintf(stderr, "the kernel refuses a filter of %u instructions\n", sizes[0]);
                return 3;
            }
            if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS && shared->next < sizes[1])
                shared->answers[shared->next++] = KILLED;
            else if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGILL || shared->next < sizes[1]) {
                fprintf(stderr, "wait status %#x at call %u of %u\n", status, shared->next, sizes[1]);
                return 4;
            }
        }
        fwrite(shared->answers, sizeof *shared->answers, sizes[1], stdout);
    }
    return ferror(stdout) || fflush(stdout) ? 2 : 0;
}
