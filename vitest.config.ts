import { defineConfig } from 'vitest/config'

const project = (name: string, include: string[], more: object = {}) => ({
  test: { name, include, setupFiles: ['test/properties.ts'], ...more },
})

export default defineConfig({
  test: {
    projects: [
      project(
        'unit',
        [
          'test/{lib,config,plan,boot,runtime,netlink,dhcp,supervise,build,host,fuzz,bench,mutants}/**/*.test.ts',
          'test/*.test.ts',
        ],
        // Generated inputs take seconds where others compute too.
        // Files share their imports, which would take half of the time: none may leave a module changed behind.
        { testTimeout: 30_000, isolate: false },
      ),
      project('kernel', ['test/kernel/**/*.test.ts'], { testTimeout: 60_000 }),
      project('boot', ['test/qemu/**/*.test.ts'], {
        testTimeout: 300_000,
        hookTimeout: 300_000,
        maxWorkers: 2,
      }),
      // The same boots with the node build as PID 1. What is left out boots a kernel of its own or the lean build by name.
      // Floods of signals and orphans are added: Node's threads must lose none.
      project('boot-node', ['test/qemu/**/*.test.ts', 'test/faults/signals.test.ts'], {
        exclude: ['test/qemu/{host,kernel}/**'],
        env: { ZMACHINE_RUNTIME: 'node' },
        testTimeout: 300_000,
        hookTimeout: 300_000,
        maxWorkers: 2,
      }),
      project('faults', ['test/faults/**/*.test.ts'], {
        testTimeout: 300_000,
        hookTimeout: 300_000,
        maxWorkers: 2,
      }),
      project('images', ['test/images/**/*.test.ts'], {
        testTimeout: 300_000,
        hookTimeout: 300_000,
        maxWorkers: 2,
        globalSetup: 'test/images/prepare.ts',
      }),
      project('docker', ['test/images/docker.test.ts'], {
        env: { ZMACHINE_DOCKER: 'all' },
        testTimeout: 600_000,
        hookTimeout: 300_000,
        globalSetup: 'test/images/prepare.ts',
      }),
    ],
  },
})
