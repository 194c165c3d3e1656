/* A 32-bit program without libc: opens argv[1] to write, creates argv[2]; exits with one bit for each that failed. */
static int call3(int nr, int a, int b, int c)
{
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}

void begin(int *stack)
{
    char **argv = (char **)(stack + 1);
    int failed = 0;
    failed |= call3(5, (int)argv[1], 2, 0) < 0;             /* open, O_RDWR */
    failed |= (call3(8, (int)argv[2], 0600, 0) < 0) << 1;   /* creat */
    call3(1, failed, 0, 0);
}

__asm__(".globl _start\n_start:\n\tmov %esp, %eax\n\tpush %eax\n\tcall begin");
