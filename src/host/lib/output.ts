/** Where a command's output and its remarks go. */

export interface Output {
  readonly write: (bytes: Uint8Array) => void
  /** Whether to use colours. */
  readonly colours: boolean
}

/** Takes a line for the user, without its newline; progress comes at most four times a second. */
export type Report = (text: string) => void
