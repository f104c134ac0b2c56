/** How much is read of what comes from outside. */

/** Of a file, in bytes: configuration files are far smaller, so a hostile one ends here. */
export const MAX_FILE_SIZE = 1024 * 1024
