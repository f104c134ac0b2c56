/** Names that nobody else has. Not secret: whoever makes a file or folder of such a name refuses one that exists. */

export const unique = (): string => Math.random().toString(36).slice(2).padEnd(12, '0').slice(0, 12)
