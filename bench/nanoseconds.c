/* Time system calls under filters, for bench/nanoseconds.py.

   Standard input: five words (filters, calls, rounds, batches, calls in a batch), the calls (number and six
   arguments, 64 bits each), the filters (a word, the number of instructions, none for no filter; then the
   instructions). Standard output: for each filter and each call the least time of a batch in every round, in
   nanoseconds a call.

   In every round each filter gets a new child, one after the other, so that whatever slows the machine down for a
   while slows all of them. A child makes calls and reads the time stamp counter, nothing else, and ends by an
   instruction that does not exist, because its filter may not let it exit. */

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

struct call {
    uint64_t nr, args[6];
};

static void get(void *memory, size_t size) {
    if (size && fread(memory, size, 1, stdin) != 1) {
        perror("standard input");
        exit(2);
    }
}

static void make(const struct call *call) {
    register uint64_t r10 __asm__("r10") = call->args[3];
    register uint64_t r8 __asm__("r8") = call->args[4];
    register uint64_t r9 __asm__("r9") = call->args[5];
    uint64_t rax = call->nr;
    __asm__ volatile("syscall"
                     : "+a"(rax)
                     : "D"(call->args[0]), "S"(call->args[1]), "d"(call->args[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
}

static double nanoseconds_a_tick(void) {
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    uint64_t ticks = __rdtsc();
    do
        clock_gettime(CLOCK_MONOTONIC, &to);
    while ((to.tv_sec - from.tv_sec) * 1e9 + to.tv_nsec - from.tv_nsec < 1e8);
    return ((to.tv_sec - from.tv_sec) * 1e9 + to.tv_nsec - from.tv_nsec) / (__rdtsc() - ticks);
}

int main(void) {
    uint32_t head[5];
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    get(head, sizeof head);
    const uint32_t filters = head[0], count = head[1], rounds = head[2], batches = head[3], size = head[4];
    struct call *calls = malloc(count * sizeof *calls);
    get(calls, count * sizeof *calls);
    struct sock_fprog *programs = calloc(filters, sizeof *programs);
    for (uint32_t filter = 0; filter < filters; filter++) {
        uint32_t insns;
        get(&insns, sizeof insns);
        programs[filter].len = insns;
        programs[filter].filter = malloc(insns * sizeof(struct sock_filter));
        get(programs[filter].filter, insns * sizeof(struct sock_filter));
    }
    uint64_t *best = mmap(NULL, rounds * filters * count * sizeof *best, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const double tick = nanoseconds_a_tick();
    for (uint32_t round = 0; round < rounds; round++)
        for (uint32_t filter = 0; filter < filters; filter++) {
            uint64_t *mine = best + (round * filters + filter) * count;
            pid_t pid = fork();
            if (pid == 0) {
                if (programs[filter].len && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
                                             prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &programs[filter])))
                    _exit(3);
                for (uint32_t batch = 0; batch < batches; batch++)
                    for (uint32_t call = 0; call < count; call++) {
                        uint64_t start = __rdtsc();
                        for (uint32_t times = 0; times < size; times++)
                            make(&calls[call]);
                        uint64_t ticks = __rdtsc() - start;
                        if (batch == 0 || ticks < mine[call])
                            mine[call] = ticks;
                    }
                __builtin_trap();
            }
            int status;
            if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != 4) {
                fprintf(stderr, "filter %u: wait status %#x\n", filter, status);
                return 4;
            }
        }
    for (uint32_t filter = 0; filter < filters; filter++)
        for (uint32_t call = 0; call < count; call++) {
            for (uint32_t round = 0; round < rounds; round++)
                printf("%.3f ", best[(round * filters + filter) * count + call] * tick / size);
            printf("\n");
        }
    return 0;
}
