import { openDiskStore, temporaryDirectory } from './store-fixtures.ts'
import { storeConformance } from './store-conformance.ts'

storeConformance('the disk store', async (test, limits) => {
  const { store } = await openDiskStore(test, { directory: temporaryDirectory(test), ...limits })
  return store
})
