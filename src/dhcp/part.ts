/** What is loaded only where a NIC wants DHCP (see `parts.ts`). */

export { deadlineOf, handle, startDhcp } from './dhcp.ts'
export { leaseRequests } from './requests.ts'
