/* main.c — argv → a role or a command; nothing else. */
#include "base/attr.h"
#include "base/str.h"
#include "ctl/ctl.h"
#include "role/runtime.h"

#include <stdio.h>
#include <unistd.h>

#ifdef WAXWING_ASAN
/* The leak check wants clone and ptrace, which a confined role does not have. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
	return "detect_leaks=0:abort_on_error=1:handle_segv=1";
}
#endif

int main(int argc, char **argv)
{
	if (argc == 4 && str_eq(str_from_z(argv[1]), S("role"))) {
		enum role r = role_by_name(str_from_z(argv[2]));
		const struct role_def *def = role_def_of(r);

		if (r == ROLE_ZYGOTE)
			zygote_main();
		if (def)
			role_main(def);
		dprintf(STDERR_FILENO, "waxwing: no such role\n");
		return 70;
	}
	return ctl_main(argc, argv);
}
