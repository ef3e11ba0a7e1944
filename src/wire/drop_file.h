/* drop_file.h — a letter that sendmail leaves in storage/drop while there is no server.
 *
 * It is what sendmail would have said, with all line ends CRLF:
 *
 *	waxwing-drop 1
 *	MAIL FROM:<…> …
 *	RCPT TO:<…> …           once or more
 *	DATA
 *	the letter, dots doubled
 *	.
 *
 * A file whose name begins with "t." is being written, "d." is whole, "bad." was refused. */
#pragma once

#define DROP_MAGIC "waxwing-drop 1\r\n"
#define DROP_BEING_WRITTEN "t."
#define DROP_WHOLE "d."
#define DROP_BAD "bad."
