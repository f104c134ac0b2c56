import { defineConfig } from 'vitest/config'

const project = (name: string, include: string[], more: object = {}) => ({
  test: { name, include, setupFiles: ['test/properties.ts'], ...more },
})

export default defineConfig({
  test: {
    projects: [
      project('unit', [
        'test/{lib,config,plan,run,netlink,dhcp,supervise,build,launcher,fuzz}/**/*.test.ts',
        'test/*.test.ts',
      ]),
      project('kernel', ['test/kernel/**/*.test.ts'], { testTimeout: 60_000 }),
      project('boot', ['test/boot/**/*.test.ts'], {
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
    ],
  },
})
