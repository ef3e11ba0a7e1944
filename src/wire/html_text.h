/* html_text.h — the words of an HTML document, for previews and search; never for showing.
 *
 * Marks go, blocks are set apart by line ends, character references are read; what is in head,
 * style, script and comments is left out.  Linear in time, whatever the document is. */
#pragma once

#include "base/buf.h"

/* Append the text of `html` (UTF-8) to ret; never more octets than html has. */
void html_text_add(struct buf *ret, struct str html);
