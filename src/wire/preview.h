/* preview.h — the beginning of a letter's text in one line (RFC 8970). */
#pragma once

#include "base/buf.h"
#include "wire/mime.h"

enum {
	PREVIEW_MAX = 200,               /* characters */
	PREVIEW_READ = 64 << 10,         /* octets of a part that are looked at */
};

/* Append the text of the first readable text part, HTML without its marks, as UTF-8, white space
 * collapsed.  Nothing if the letter has no text. */
void preview_add(struct buf *b, struct str letter, const struct mime_part *root);
