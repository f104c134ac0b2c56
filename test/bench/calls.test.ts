import { expect, test } from 'vitest'
import { describeDifference, readCalls } from './calls.ts'

/** As strace writes it, to a serial line. */
const TRACE = [
  '1     umount2("/proc", 0)               = 0',
  '1     execve("/init", ["/init"], 0x7ffd /* 2 vars */) = 0',
  '1     open("/etc/hosts", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory)',
  '1     clone(child_stack=0x7fbb, flags=CLONE_VM|SIGCHLD <unfinished ...>',
  '46    ppoll(NULL, 0, {tv_sec=90, tv_nsec=0}, NULL, 8 <unfinished ...>',
  '1     <... clone resumed>)              = 46',
  '1     read(5, "text", 4096)             = 4',
  '51    execve("/probe", ["/probe"], 0x7fbb /* 3 vars */ <unfinished ...>',
  '51    open("/dev/kmsg", O_WRONLY)       = 3',
].join('\r\n')

test('the calls are those between the two execves, without the waiting child’s', () => {
  expect(readCalls(TRACE)).toEqual(['openat "/etc/hosts" ENOENT', 'clone', 'read', 'execve'])
})

test('a difference is told with its place', () => {
  const ours = ['openat "/"', 'close', 'execve']
  expect(describeDifference({ container: 'plain', ours, floor: ours })).toBe('')
  expect(describeDifference({ container: 'plain', ours, floor: ['openat "/"', 'execve'] })).toBe(
    'plain: call 2 of 3: ours close; execve, the C program’s execve',
  )
  expect(describeDifference({ container: 'plain', ours: ['close'], floor: ours.slice(1) })).toContain(
    'ours the end',
  )
})
