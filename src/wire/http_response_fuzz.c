/* http_response_fuzz.c — any bytes are a response with its body inside, or none. */
#include "base/err.h"
#include "wire/http_response.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str all = str_of(p, n);
	struct http_head h;
	size_t head = 0, body = 0;
	char *to;

	if (http_head_parse(all, &h, &head) != HTTP_DONE)
		head = 0;
	must(head <= n, "a head inside");
	to = malloc(n - head + 1);
	if (to && http_chunks_parse(str_from(all, head), to, &body) == HTTP_DONE)
		must(body <= n - head, "a body that was there");
	free(to);
	return 0;
}
