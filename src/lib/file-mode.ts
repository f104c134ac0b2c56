/** The file types in `st_mode`, inode(7). Not in `sys`, since the host command uses them too. */

export const S_IFMT = 0o170000
export const S_IFREG = 0o100000
export const S_IFBLK = 0o060000
export const S_IFDIR = 0o040000
export const S_IFCHR = 0o020000
