/** pkg in its SEA mode: `node-pack.ts SCRIPT NODE OUT CONFIGURATION` puts a script into a copy of Node. Started by node.ts. */
// A CommonJS module that was an ES module: Node hands out the whole of it.
import packer, { type SeaConfig } from '@yao-pkg/pkg/lib-es5/sea.js'

const [script = '', node = '', output = '', configuration = '{}'] = process.argv.slice(2)

// Node's own options for a single executable, of which pkg's types name a part.
const seaConfig: SeaConfig & Record<string, unknown> = JSON.parse(configuration)

const target = { platform: 'linux', arch: 'x64', nodeRange: `node${process.versions.node}`, output } as const
await packer.default(script, { nodePath: node, seaConfig, targets: [target] })
