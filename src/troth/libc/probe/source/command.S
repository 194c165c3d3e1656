/*
 * The only program in the box: what a case starts, be it `sh -c` or by name. It tells the supervisor that another
 * program runs from here on, whose calls are not libc's, and exits.
 */
	.globl _start
_start:
#if defined(__x86_64__)
	movl $0x7e57, %eax
	movl $4, %edi			/* MARK_EXECED */
	syscall
	movl $231, %eax			/* exit_group */
	xorl %edi, %edi
	movl $0x7e577e57, %r9d		/* UNSEEN */
	syscall
#else
#error "no such program for this architecture"
#endif
	hlt
	.section .note.GNU-stack, "", @progbits
