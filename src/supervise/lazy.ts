/** What is loaded once the entrypoint runs, or can't be started (see `src/lazy.ts`). */

export { explainExec, nearPrograms } from './explain.ts'
export { supervise } from './loop.ts'
export { runShell } from './shell.ts'
export { shutDown } from './shutdown/shutdown.ts'
