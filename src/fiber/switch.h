/* switch.h — leaving one stack for another. */
#pragma once

#include <stddef.h>

/* Where a stack was left.  Zero until it is switched away from. */
struct stack_place {
	void *sp;
};

/* Make *place such that switching to it calls entry() on the stack [base, base+size);
 * entry never returns. */
void stack_prepare(struct stack_place *place, void *base, size_t size, void (*entry)(void));

/* Remember the present place in *from and go on at *to. */
void stack_switch(struct stack_place *from, struct stack_place *to);
