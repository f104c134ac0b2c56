/** The modules of `src/lazy.ts`. Here all of them are in one bundle, and V8 compiles a function when it is called. */

import * as log from '../../boot/log/relay.ts'
import * as grow from '../../boot/steps/grow.ts'
import * as hostKeys from '../../boot/steps/host-keys.ts'
import * as dhcp from '../../boot/steps/leases.ts'
import * as seed from '../../boot/steps/seed.ts'
import * as environment from '../../config/environment.ts'
import * as startup from '../../config/startup-toml.ts'
import * as users from '../../config/users.ts'
import * as zosrc from '../../config/zosrc.ts'
import type { LazyModules } from '../../lazy.ts'
import * as supervise from '../../supervise/lazy.ts'

export const LAZY_MODULES: LazyModules & Readonly<Record<string, unknown>> = {
  dhcp,
  environment,
  grow,
  hostKeys,
  log,
  seed,
  startup,
  supervise,
  users,
  zosrc,
}
