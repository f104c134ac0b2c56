/** The node build's entry. */

import { main } from '../../main.ts'
import { nodeRuntime } from './host.ts'
import { inspectable } from './inspect.ts'
import { settle } from './process.ts'

settle(nodeRuntime)
main(inspectable(nodeRuntime))
