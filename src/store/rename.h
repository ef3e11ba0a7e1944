/* rename.h — another name for a file, if nobody has it. In a thread.
 *
 * As renameat2(RENAME_NOREPLACE) and linkat(), also on NFS.  That has no such renames: a file is linked
 * and its old name removed, a directory is renamed after a look (all who give names to folders
 * hold the shelf).  And it may say of what was done that it failed, when the server's answer was lost and the
 * request repeated: what counts is which file lies there. */
#pragma once

/* 0, or -1 and errno; EEXIST: it is taken. */
int rename_fresh(int from, const char *name, int to, const char *fresh);
int link_fresh(int from, const char *name, int to, const char *fresh);
