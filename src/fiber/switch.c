/* switch.c — twenty instructions on x86-64; elsewhere ucontext, portable and slow.
 *
 * Saved are the registers a callee must preserve, the SSE control word and the
 * x87 control word (System V ABI, AMD64, §3.2.1). */
#include "fiber/switch.h"

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)

__asm__(".text\n"
	".p2align 4\n"
	".hidden waxwing_stack_switch\n"
	".globl waxwing_stack_switch\n"
	".type waxwing_stack_switch,@function\n"
	"waxwing_stack_switch:\n"
	"	endbr64\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	subq $8, %rsp\n"
	"	stmxcsr (%rsp)\n"
	"	fnstcw 4(%rsp)\n"
	"	movq %rsp, (%rdi)\n"
	"	movq (%rsi), %rsp\n"
	"	ldmxcsr (%rsp)\n"
	"	fldcw 4(%rsp)\n"
	"	addq $8, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	".size waxwing_stack_switch,.-waxwing_stack_switch\n");

void waxwing_stack_switch(struct stack_place *from, struct stack_place *to);

void stack_prepare(struct stack_place *place, void *base, size_t size, void (*entry)(void))
{
	/* After `ret` into entry, rsp % 16 must be 8, as after a call. */
	uintptr_t top = ((uintptr_t)base + size) & ~(uintptr_t)15;
	uint64_t *slot = (uint64_t *)top;
	uint32_t mxcsr;
	uint16_t x87;

	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	__asm__ volatile("fnstcw %0" : "=m"(x87));
	*--slot = 0;                             /* the end of backtraces */
	*--slot = (uint64_t)(uintptr_t)entry;    /* at top - 16 */
	for (int i = 0; i < 6; i++)
		*--slot = 0;
	*--slot = (uint64_t)x87 << 32 | mxcsr;
	place->sp = slot;
}

void stack_switch(struct stack_place *from, struct stack_place *to)
{
	waxwing_stack_switch(from, to);
}

#else

#include <stdlib.h>
#include <ucontext.h>

void stack_prepare(struct stack_place *place, void *base, size_t size, void (*entry)(void))
{
	ucontext_t *u = base;            /* the lowest bytes of the stack hold its context */

	memset(u, 0, sizeof(*u));
	getcontext(u);
	u->uc_stack.ss_sp = (char *)base + sizeof(*u);
	u->uc_stack.ss_size = size - sizeof(*u);
	makecontext(u, entry, 0);
	place->sp = u;
}

void stack_switch(struct stack_place *from, struct stack_place *to)
{
	static ucontext_t main_context;

	if (!from->sp)
		from->sp = &main_context;
	swapcontext(from->sp, to->sp);
}

#endif
