/* attr.h — words for the compiler and the lints. */
#pragma once

#if defined(__clang__)
#define WAXWING_ANNOTATE(what) __attribute__((annotate(what)))
#else
#define WAXWING_ANNOTATE(what)
#endif

/* May wait: other fibers run meanwhile.  Stands in the header and at the
 * definition; ./dev lint proves that no unmarked function calls a marked one. */
#define SUSPENDS WAXWING_ANNOTATE("suspends")

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN __attribute__((noreturn))

/* AUTO(x_end) struct x v = …;  x_end(&v) runs when the block is left.
 * The function takes a pointer to the variable. */
#define AUTO(fn) __attribute__((cleanup(fn)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#if defined(__SANITIZE_ADDRESS__)
#define WAXWING_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WAXWING_ASAN 1
#endif
#endif
