/** What a node with products consists of besides: loaded only where there are some. */
import { systemClock } from '../core/clock.ts'
import { describe, Fault } from '../core/fault.ts'
import { systemRandom } from '../core/random.ts'
import { machineBoot } from './boot.ts'
import type { ProductConfig } from './config-updates.ts'
import { headStart, type HeadStartComponents } from './head-start.ts'
import { productSettings, productTrust } from './product-settings.ts'
import { ProductUpdates, type ProductEvent } from './product-updates.ts'
import { updateInThread, type Listening } from './update-thread.ts'

/**
 * One schedule for each product.
 * @param proxy the node's own, once it runs
 * @param ways how the node gets what an update begins with
 * @param onVerified what a product's catalogue says, once it is believed
 * @throws Fault CONFIG_INVALID where the files of trust cannot be read
 */
export function productUpdates(
  products: readonly ProductConfig[],
  proxy: () => string,
  ways: Omit<HeadStartComponents, 'clock' | 'random'>,
  emit: (event: ProductEvent) => void,
  onVerified: Listening['onVerified'],
): readonly ProductUpdates[] {
  checkTrust(products)
  const components = { ...ways, clock: systemClock, random: systemRandom }
  return products.map(
    (product) =>
      new ProductUpdates(product, {
        clock: systemClock,
        random: systemRandom,
        machine: machineBoot(systemClock),
        async update(config, report, signal) {
          const begun = await headStart(productSettings(config), components, signal)
          return updateInThread(config, proxy(), begun, { emit: report, onVerified }, signal)
        },
        emit,
      }),
  )
}

function checkTrust(products: readonly ProductConfig[]): void {
  for (const product of products) {
    try {
      productTrust(product)
    } catch (cause) {
      throw new Fault('CONFIG_INVALID', `updates: ${product.name}: trust: ${describe(cause)}`, { cause })
    }
  }
}
