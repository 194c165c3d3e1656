/* The other ways into the kernel of an x86_64 processor, as functions for ctypes.
 *
 * int80() enters as a 32-bit program does; its pointers must lie below 4 GiB.
 * far32() jumps to 32-bit code (selector 0x23), which makes the call there and jumps back;
 * it needs a page of executable memory below 4 GiB that was made beforehand.
 */
#include <string.h>

long int80(long nr, long a, long b, long c, long d, long e, long f)
{
    long result;
    __asm__ volatile("push %%rbp\n\tmov %[f], %%rbp\n\tint $0x80\n\tpop %%rbp"
                     : "=a"(result)
                     : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), [f] "r"(f)
                     : "r8", "r9", "r10", "r11", "memory");
    return (int)result;
}

/* At `page`: 32-bit `int $0x80; lret`. At `page` + 16, 64-bit: change to the stack in r14, `lcall *(%r13)`, change back, `ret`. */
static const unsigned char there[] = {0xcd, 0x80, 0xcb};
static const unsigned char here[] = {0x49, 0x89, 0xe4, 0x4c, 0x89, 0xf4, 0x41, 0xff, 0x5d, 0x00, 0x4c, 0x89, 0xe4, 0xc3};

void far32_prepare(unsigned char *page)
{
    memcpy(page, there, sizeof there);
    memcpy(page + 16, here, sizeof here);
}

/* `stack` is the top of a stack below 4 GiB */
long far32(unsigned char *page, void *stack, long nr, long a, long b, long c)
{
    long result;
    struct { unsigned offset; unsigned short selector; } __attribute__((packed)) where = {(unsigned)(unsigned long)page, 0x23};
    register void *r13 __asm__("r13") = &where;
    register void *r14 __asm__("r14") = stack;
    __asm__ volatile("call *%[code]"
                     : "=a"(result)
                     : "a"(nr), "b"(a), "c"(b), "d"(c), "r"(r13), "r"(r14), [code] "r"(page + 16)
                     : "r8", "r9", "r10", "r11", "r12", "memory");
    return (int)result;
}
