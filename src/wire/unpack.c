/* unpack.c — what an archive holds; see unpack.h.
 *
 * A zip is read from its end, where the directory is: sizes in front of a file may be missing. */
#include "wire/unpack.h"

#include <stdlib.h>

enum {
	ZIP_END = 22,                    /* octets of the end record, without its comment */
	ZIP_COMMENT_MAX = 65535,
	ZIP_ENTRY = 46,                  /* of an entry of the directory */
	ZIP_LOCAL = 30,                  /* of what stands in front of a file */
	ZIP_IS_ENCRYPTED = 1,
	ZIP_STORED = 0,
	ZIP_DEFLATED = 8,
	GZIP_WINDOW = 15 + 16,           /* zlib: with the header and the check sum of gzip */
	RAW_WINDOW = -15,
};

static uint32_t le16(struct str s, size_t at)
{
	return at + 2 <= s.n ? (uint32_t)str_at(s, at) | (uint32_t)str_at(s, at + 1) << 8 : 0;
}

static uint32_t le32(struct str s, size_t at)
{
	return le16(s, at) | le16(s, at + 2) << 16;
}

enum unpack_kind unpack_kind_of(struct str bytes)
{
	if (str_starts(bytes, S("\x1f\x8b\x08")))
		return UNPACK_GZIP;
	return str_starts(bytes, S("PK\x03\x04")) || str_starts(bytes, S("PK\x05\x06")) ? UNPACK_ZIP : UNPACK_PLAIN;
}

static bool inflate_begin(struct unpack *u, int window, struct err *e)
{
	if (inflateInit2(&u->z, window) != Z_OK)
		return fail(e, FAULT_TEMP, "no memory to unpack");
	u->is_deflated = true;
	return true;
}

/* end-record = "PK\5\6" disk(2) disk(2) entries(2) entries(2) size(4) offset(4) comment     APPNOTE §4.3.16 */
static bool find_directory(struct str zip, size_t *ret_at, size_t *ret_n, struct err *e)
{
	for (size_t back = ZIP_END; back <= zip.n && back <= ZIP_END + ZIP_COMMENT_MAX; back++) {
		struct str end = str_from(zip, zip.n - back);

		if (!str_starts(end, S("PK\x05\x06")))
			continue;
		*ret_at = le32(end, 16);
		*ret_n = le16(end, 10);
		return *ret_n > 0 || fail(e, FAULT_PERM, "the zip archive is empty");
	}
	return fail(e, FAULT_PERM, "the zip archive has no end: it is cut off");
}

/* The entry's file, within the archive. */
static bool take_entry(struct unpack *u, struct str zip, struct str entry, struct err *e)
{
	struct str local = str_from(zip, le32(entry, 42));
	size_t begin = (size_t)ZIP_LOCAL + le16(local, 26) + le16(local, 28);
	uint32_t method = le16(entry, 10), packed = le32(entry, 20);

	u->crc_said = le32(entry, 16);
	u->size_said = le32(entry, 24);
	u->crc = (uint32_t)crc32(0, NULL, 0);
	if (le16(entry, 8) & ZIP_IS_ENCRYPTED)
		return fail(e, FAULT_PERM, "the zip archive is encrypted");
	if (method != ZIP_STORED && method != ZIP_DEFLATED)
		return fail(e, FAULT_PERM, "the zip archive is packed in a way (%u) that nobody uses for this", method);
	if (!str_starts(local, S("PK\x03\x04")) || begin > local.n || packed > local.n - begin)
		return fail(e, FAULT_PERM, "the zip archive is cut off or damaged");
	if (u->size_said > UNPACK_SIZE_MAX)
		return fail(e, FAULT_PERM, "it would be more than %d MiB when unpacked", UNPACK_SIZE_MAX >> 20);
	u->in = str_sub(local, begin, packed);
	return method == ZIP_STORED || inflate_begin(u, RAW_WINDOW, e);
}

/* entry = "PK\1\2" … method(2)@10 … crc(4)@16 packed(4)@20 size(4)@24 name(2)@28 extra(2)@30 comment(2)@32 …
 *         offset(4)@42 name extra comment     APPNOTE §4.3.12.  The first that is no directory. */
static bool open_zip(struct unpack *u, struct str zip, struct err *e)
{
	size_t at = 0, n = 0;

	if (!find_directory(zip, &at, &n, e))
		return false;
	for (size_t i = 0; i < n && i < UNPACK_ENTRIES_MAX; i++) {
		struct str entry = str_from(zip, at), name = str_sub(entry, ZIP_ENTRY, le16(entry, 28));

		if (!str_starts(entry, S("PK\x01\x02")) || entry.n < ZIP_ENTRY)
			return fail(e, FAULT_PERM, "the zip archive's directory is damaged");
		if (!str_ends(name, S("/")))
			return take_entry(u, zip, entry, e);
		at += (size_t)ZIP_ENTRY + le16(entry, 28) + le16(entry, 30) + le16(entry, 32);
	}
	return fail(e, FAULT_PERM, "there is no file in the zip archive");
}

bool unpack_open(struct unpack *u, struct str bytes, struct err *e)
{
	*u = (struct unpack){ .kind = unpack_kind_of(bytes), .in = bytes };
	if (bytes.n > UNPACK_PACKED_MAX && u->kind != UNPACK_PLAIN)
		return fail(e, FAULT_PERM, "the archive has more than %d MiB", UNPACK_PACKED_MAX >> 20);
	u->chunk = malloc(UNPACK_CHUNK);
	if (!u->chunk)
		return fail(e, FAULT_TEMP, "no memory to unpack");
	switch (u->kind) {
	case UNPACK_GZIP:
		return inflate_begin(u, GZIP_WINDOW, e);
	case UNPACK_ZIP:
		return open_zip(u, bytes, e);
	case UNPACK_PLAIN:
		break;
	}
	return true;
}

/* What came out is told of no bomb: so far. */
static bool check_size(const struct unpack *u, struct err *e)
{
	size_t n_in = u->is_deflated ? (size_t)u->z.total_in : u->in.n;

	if (u->n_out > UNPACK_SIZE_MAX)
		return fail(e, FAULT_PERM, "it is more than %d MiB when unpacked", UNPACK_SIZE_MAX >> 20);
	if (u->is_deflated && u->n_out > UNPACK_RATIO_FROM && u->n_out / UNPACK_RATIO_MAX > n_in)
		return fail(e, FAULT_PERM, "it grows to more than %d times its size when unpacked: a bomb", UNPACK_RATIO_MAX);
	return true;
}

static bool check_end(const struct unpack *u, struct err *e)
{
	if (u->kind == UNPACK_ZIP && (u->crc != u->crc_said || u->n_out != u->size_said))
		return fail(e, FAULT_PERM, "the zip archive is damaged: its check sum is another");
	return true;
}

static bool inflate_next(struct unpack *u, struct str *ret, struct err *e)
{
	int rc;

	if (u->z.next_in == NULL) {
		u->z.next_in = (unsigned char *)(uintptr_t)u->in.p;
		u->z.avail_in = (unsigned)u->in.n;       /* at most UNPACK_PACKED_MAX */
	}
	u->z.next_out = (unsigned char *)u->chunk;
	u->z.avail_out = UNPACK_CHUNK;
	rc = inflate(&u->z, Z_NO_FLUSH);
	if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
		return fail(e, FAULT_PERM, "the archive is damaged%s%s", u->z.msg ? ": " : "", u->z.msg ? u->z.msg : "");
	*ret = str_of(u->chunk, UNPACK_CHUNK - u->z.avail_out);
	u->is_over = rc == Z_STREAM_END;
	if (!ret->n && !u->is_over)
		return fail(e, FAULT_PERM, "the archive is cut off");
	return true;
}

bool unpack_next(struct unpack *u, struct str *ret, struct err *e)
{
	*ret = S("");
	if (u->is_over)
		return true;
	if (u->is_deflated) {
		if (!inflate_next(u, ret, e))
			return false;
	} else {
		*ret = str_sub(u->in, (size_t)u->n_out, UNPACK_CHUNK);
		u->is_over = u->n_out + ret->n == u->in.n;
	}
	u->n_out += ret->n;
	if (u->kind == UNPACK_ZIP)
		u->crc = (uint32_t)crc32(u->crc, (const unsigned char *)ret->p, (unsigned)ret->n);
	return check_size(u, e) && (!u->is_over || check_end(u, e));
}

void unpack_end(struct unpack *u)
{
	if (u->is_deflated)
		inflateEnd(&u->z);
	free(u->chunk);
	*u = (struct unpack){ 0 };
}
