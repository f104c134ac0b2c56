/** What is loaded when the entrypoint runs, or can't (see `lazy.ts`): nobody waits for it. */

export { explainExec, nearPrograms } from './explain.ts'
export { supervise } from './loop.ts'
export { runShell } from './shell.ts'
export { shutDown } from './shutdown.ts'
