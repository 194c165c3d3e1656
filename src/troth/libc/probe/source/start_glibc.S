/*
 * The entry point of a program for glibc, which asks for the oldest version of the one function that it needs:
 * the one that the compiler would link in asks for the newest, and no older libc would start it.
 */
	.globl _start
	.type _start, @function
#if defined(__x86_64__)
	.symver __libc_start_main, __libc_start_main@GLIBC_2.2.5
_start:
	xorl %ebp, %ebp
	movq %rdx, %r9
	popq %rsi
	movq %rsp, %rdx
	andq $-16, %rsp
	pushq %rax
	pushq %rsp
	xorl %r8d, %r8d
	xorl %ecx, %ecx
	leaq main(%rip), %rdi
	call *__libc_start_main@GOTPCREL(%rip)
	hlt
#elif defined(__i386__)
	.symver __libc_start_main, __libc_start_main@GLIBC_2.0
_start:
	xorl %ebp, %ebp
	popl %esi
	movl %esp, %ecx
	andl $-16, %esp
	pushl %eax
	pushl %esp
	pushl %edx
	pushl $0
	pushl $0
	pushl %ecx
	pushl %esi
	pushl $main
	call __libc_start_main
	hlt
#else
#error "no entry point for this architecture"
#endif
	.size _start, .-_start
	.section .note.GNU-stack, "", @progbits
