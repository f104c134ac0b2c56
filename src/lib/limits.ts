/** Limits on untrusted input. */

/** The largest file that is read, in bytes. Configuration files are far smaller; hostile ones end here. */
export const MAX_FILE_SIZE = 1024 * 1024
