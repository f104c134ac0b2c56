/**
 * Makes the machine's SSH host keys by the image's own ssh-keygen, while other steps run. Loaded only if the root has an
 * /etc/ssh (see `lazy.ts`).
 */

import { words } from '../../lib/text.ts'
import { spawn, stringVector } from '../../sys/calls.ts'
import { describeErrno } from '../../sys/errno.ts'
import { SIG_SETMASK, SIGKILL, WNOHANG } from '../../sys/flags.ts'
import {
  currentRuntime,
  kill,
  rename,
  SYS_execve,
  SYS_rt_sigprocmask,
  SYS_setsid,
  unlink,
  uptime,
  wait4,
} from '../../sys/linux.ts'
import { info } from '../io/console.ts'
import { isRegularFile, listNames, readText } from '../io/files.ts'
import { pollOrStop } from '../io/requests.ts'
import { waitNotice } from '../io/wait.ts'

const FOLDER = '/etc/ssh'

const KEYGENS = ['/usr/bin/ssh-keygen', '/bin/ssh-keygen', '/usr/local/bin/ssh-keygen']

/** A key that an ssh-keygen is making. */
export interface KeyInProgress {
  readonly pid: number
  readonly type: string
}

/** `/etc/ssh/ssh_host_ed25519_key`; `fresh` is where it is made, so that nobody finds half a key. */
const keyFile = (type: string): string => `${FOLDER}/ssh_host_${type}_key`
const fresh = (type: string): string => `${FOLDER}/.zmachine_${type}_key`

/**
 * Starts ssh-keygen for each type, unless there are keys or there is no ssh-keygen.
 * @param problems collects what failed, in words
 */
export function startHostKeys(problems: string[]): KeyInProgress[] {
  const keygen = KEYGENS.find(isRegularFile)
  if (keygen === undefined || hasKeys()) return []
  const started: KeyInProgress[] = []
  for (const type of keyTypes(readText(`${FOLDER}/sshd_config`) ?? '')) {
    unlink(fresh(type))
    unlink(`${fresh(type)}.pub`)
    const argv = [keygen, '-q', '-t', type, '-N', '', '-C', '', '-f', fresh(type)]
    const runtime = currentRuntime()
    const { pid, failed } = spawn(runtime, [
      { number: SYS_setsid, args: [], name: 'setsid' },
      { number: SYS_rt_sigprocmask, args: [SIG_SETMASK, new Uint32Array(2), 0, 8], name: 'sigprocmask' },
      {
        number: SYS_execve,
        args: [
          keygen,
          stringVector(runtime, argv),
          stringVector(runtime, ['PATH=/usr/bin:/bin', 'HOME=/root']),
        ],
        name: `execve ${keygen}`,
      },
    ])
    if (pid > 0 && failed !== undefined) wait4(pid, 0)
    if (pid < 0 || failed !== undefined) {
      problems.push(
        `SSH host key ${type}: ${failed?.call.name ?? 'fork'}: ${describeErrno(failed?.result ?? pid)}`,
      )
    } else {
      started.push({ pid, type })
    }
  }
  return started
}

/** How long all may take, in milliseconds: RSA needs seconds. An image's program must not block the boot for ever. */
const PATIENCE = 60_000

/** The status of a child, or undefined if it took too long and was killed. */
function waitForChild(pid: number, subject: string, deadline: number): number | undefined {
  const notice = waitNotice(() => subject, deadline)
  for (;;) {
    const { pid: ended, status } = wait4(pid, WNOHANG)
    if (ended !== 0) return status
    const now = uptime()
    if (now >= deadline) break
    // SIGCHLD ends the wait.
    pollOrStop([], Math.max(1, Math.min(deadline, notice(now)) - now))
  }
  kill(pid, SIGKILL)
  wait4(pid, 0)
  return undefined
}

/** Waits until the keys are made, and moves them into place. @returns what failed, in words */
export function finishHostKeys(started: readonly KeyInProgress[]): string[] {
  const problems: string[] = []
  const made: string[] = []
  const deadline = uptime() + PATIENCE
  for (const { pid, type } of started) {
    const status = waitForChild(pid, `the SSH host key ${type}`, deadline)
    if (status === undefined) {
      problems.push(
        `SSH host key ${type}: ssh-keygen did not finish within ${PATIENCE / 1000} s and was killed`,
      )
      continue
    }
    if (status !== 0) {
      problems.push(`SSH host key ${type}: ssh-keygen ended with status ${status >> 8}`)
      continue
    }
    rename(`${fresh(type)}.pub`, `${keyFile(type)}.pub`)
    const result = rename(fresh(type), keyFile(type))
    if (result < 0)
      problems.push(`SSH host key ${type}: rename to ${keyFile(type)}: ${describeErrno(result)}`)
    else made.push(type)
  }
  if (made.length > 0) info(`made SSH host keys: ${made.join(', ')}`)
  return problems
}

/** True also if the directory can't be read: then it can't be written either. */
function hasKeys(): boolean {
  const names = listNames(FOLDER)
  return names === undefined || names.some((name) => name.startsWith('ssh_host_') && name.endsWith('_key'))
}

/** RSA takes seconds on a small machine, and every client since 2014 knows the others: only if sshd_config names it. */
function keyTypes(config: string): string[] {
  const rsa = config.split('\n').some((line) => {
    const [keyword = '', value = ''] = words(line)
    return keyword.toLowerCase() === 'hostkey' && value.endsWith('rsa_key')
  })
  return rsa ? ['ed25519', 'ecdsa', 'rsa'] : ['ed25519', 'ecdsa']
}
