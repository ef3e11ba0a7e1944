/* main.c — argv → a role or a command; nothing else. */
#include "base/attr.h"
#include "base/str.h"
#include "ctl/ctl.h"
#include "role/runtime.h"
#include "role/serve.h"

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

/* [-c FILE] serve [--helper] */
static bool wants_serve(int argc, char **argv, const char **conf_path, bool *is_helper)
{
	bool is_serve = false;

	for (int i = 1; i < argc; i++) {
		if (str_eq(str_from_z(argv[i]), S("-c")) && i + 1 < argc)
			*conf_path = argv[++i];
		else if (str_eq(str_from_z(argv[i]), S("serve")) && !is_serve)
			is_serve = true;
		else if (str_eq(str_from_z(argv[i]), S("--helper")) && is_serve)
			*is_helper = true;
		else
			return false;
	}
	return is_serve;
}

int main(int argc, char **argv)
{
	const char *conf_path = "/etc/waxwing/waxwing.conf";
	bool is_helper = false;

	if (sendmail_is_meant(argv[0]))
		return sendmail_main(argc, argv);
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
	if (wants_serve(argc, argv, &conf_path, &is_helper))
		return serve(conf_path, is_helper);
	return ctl_main(argc, argv);
}
