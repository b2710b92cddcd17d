/** What a node with products consists of besides: loaded only where there are some. */
import { systemClock } from '../core/clock.ts'
import { describe, Fault } from '../core/fault.ts'
import { systemRandom } from '../core/random.ts'
import { machineBoot } from './boot.ts'
import type { ProductConfig } from './config-updates.ts'
import { productTrust } from './product-settings.ts'
import { ProductUpdates, type ProductEvent } from './product-updates.ts'
import { updateInThread, type Listening } from './update-thread.ts'

/**
 * One schedule for each product.
 * @param proxy the node's own, once it runs
 * @param onVerified what a product's catalogue says, once it is believed
 * @throws Fault CONFIG_INVALID where the files of trust cannot be read
 */
export function productUpdates(
  products: readonly ProductConfig[],
  proxy: () => string,
  emit: (event: ProductEvent) => void,
  onVerified: Listening['onVerified'],
): readonly ProductUpdates[] {
  checkTrust(products)
  return products.map(
    (product) =>
      new ProductUpdates(product, {
        clock: systemClock,
        random: systemRandom,
        machine: machineBoot(systemClock),
        update: (config, report, signal) =>
          updateInThread(config, proxy(), { emit: report, onVerified }, signal),
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
