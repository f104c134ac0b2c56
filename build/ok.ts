/** `npm run ok`: what needs nothing of the system and takes half a minute; the habit before each commit. */
import { runChecks } from './checks.ts'
import { command } from './progress.ts'

await command(() => runChecks(['lint', 'types-lean', 'types', 'unit'], false))
