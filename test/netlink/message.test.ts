import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  attributeEnd,
  attributeText,
  beginNested,
  buildMessage,
  endNested,
  FAMILY_HEADER,
  findAttributes,
  finishMessage,
  messageFlags,
  messageSequence,
  nextMessage,
  putAttribute,
  putTextAttribute,
  putU8Attribute,
  putU32Attribute,
  walk,
} from '../../src/netlink/message.ts'
import { bytesOf, hexOf } from './hex.ts'
import { attributeBytes, attributeNumber } from './lists.ts'

describe('a builder', () => {
  it('writes header, attributes and padding', () => {
    const builder = buildMessage(0x12, 0x300, 1)
    builder.words[FAMILY_HEADER] = 0x01020304
    putU32Attribute(builder, 5, 0xdeadbeef)
    putTextAttribute(builder, 3, 'eth0')
    putU8Attribute(builder, 8, 1)
    putAttribute(builder, 9, new Uint8Array([1, 2, 3, 4, 5]))
    expect(hexOf(finishMessage(builder))).toBe(
      hexOf(
        bytesOf(`3c000000 1200 0103 00000000 00000000  04030201
          0800 0500 efbeadde  0900 0300 6574683000000000  0500 0800 01000000  0900 0900 0102030405000000`),
      ),
    )
  })

  it('nests attributes', () => {
    const builder = buildMessage(1, 0, 0)
    const outer = beginNested(builder, 7)
    const inner = beginNested(builder, 8)
    putU32Attribute(builder, 9, 1)
    endNested(builder, inner)
    endNested(builder, outer)
    expect(hexOf(finishMessage(builder)).slice(32)).toBe(
      hexOf(bytesOf('1000 0780 0c00 0880 0800 0900 01000000')),
    )
  })

  it('grows', () => {
    const builder = buildMessage(1, 0, 0)
    for (let i = 0; i < 60; i++) putAttribute(builder, i, new Uint8Array([i, 1, 2, 3, 4]))
    const message = finishMessage(builder)
    expect(message.length).toBe(16 + 60 * 12)
    const found = findAttributes(message, 16, message.length)
    for (let i = 0; i < 60; i++)
      expect([...(attributeBytes(message, found[i] ?? 0) ?? [])]).toEqual([i, 1, 2, 3, 4])
  })
})

describe('a walk', () => {
  it('goes over messages', () => {
    const bytes = bytesOf(
      `11000000 1000 0200 07000000 00000000 aa000000  10000000 0300 0000 ffffffff 00000000`,
    )
    const messages = walk(bytes, bytes.length)
    expect(nextMessage(messages)).toBe(true)
    expect([messages.type, messageFlags(messages), messageSequence(messages)]).toEqual([16, 2, 7])
    expect([messages.start, messages.end]).toEqual([16, 17])
    expect(nextMessage(messages)).toBe(true)
    expect([messages.type, messageFlags(messages), messageSequence(messages)]).toEqual([3, 0, 0xffffffff])
    expect(nextMessage(messages)).toBe(false)
  })

  it.each([
    ['a length below the header', '0f000000 1000 0200 07000000 00000000'],
    ['a length of nothing', '00000000 1000 0200 07000000 00000000'],
    ['a length beyond the end', '11000000 1000 0200 07000000 00000000'],
    ['a huge length', 'ffffffff 1000 0200 07000000 00000000'],
    ['half a header', '10000000 1000 0200'],
  ])('ends at %s', (_, hex) => {
    const bytes = bytesOf(hex)
    expect(nextMessage(walk(bytes, bytes.length))).toBe(false)
  })

  it('of nothing, or of an errno, ends at once', () => {
    const bytes = bytesOf('10000000 1000 0200 07000000 00000000')
    for (const length of [0, -11]) expect(nextMessage(walk(bytes, length))).toBe(false)
  })

  it('of any bytes stays inside and ends', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(250), (random, length) => {
        const messages = walk(new Uint8Array(random), length)
        for (let last = 0; nextMessage(messages); last = messages.end) {
          expect(messages.start).toBeGreaterThanOrEqual(last + 16)
          expect(messages.end).toBeGreaterThanOrEqual(messages.start)
          expect(messages.end).toBeLessThanOrEqual(Math.min(length, random.length))
        }
      }),
    )
  })
})

describe('findAttributes', () => {
  const found = (hex: string): [number, number][] => {
    const bytes = bytesOf(hex)
    return [...findAttributes(bytes, 0, bytes.length).entries()].filter(([, at]) => at !== 0)
  }

  it('finds attributes by type, without NLA_F_NESTED, and the last of repeated ones', () => {
    expect(found('0500 0200 01000000  0c00 0780 0800 0900 01000000  0400 0200')).toEqual([
      [2, 24],
      [7, 12],
    ])
  })

  it.each([
    ['a length below the header', '0300 0100'],
    ['a length of nothing', '0000 0100 00000000'],
    ['a length beyond the end', '0900 0100 00000000'],
    ['half a header', '0400'],
  ])('ends at %s', (_, hex) => {
    expect(found(`0500 0200 01000000 ${hex}`)).toEqual([[2, 4]])
  })

  it('of any bytes stays inside and ends', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(60), fc.nat(350), (random, words, end) => {
        const bytes = new Uint8Array(random)
        for (const at of findAttributes(bytes, words * 4, end)) {
          if (at === 0) continue
          expect(at).toBeGreaterThanOrEqual(words * 4 + 4)
          expect(attributeEnd(bytes, at)).toBeGreaterThanOrEqual(at)
          expect(attributeEnd(bytes, at)).toBeLessThanOrEqual(Math.min(end, bytes.length))
        }
      }),
    )
  })
})

describe('an attribute', () => {
  const bytes = bytesOf(
    '0500 0100 fe000000  0600 0200 34120000  0800 0300 ffffffff  0400 0400  0c00 0500 0100000002000000',
  )
  const texts = bytesOf('0800 0100 65746830  0800 0200 6c6f0041')

  it('of one to four bytes is a number', () => {
    const at = findAttributes(bytes, 0, bytes.length)
    expect([0, 1, 2, 3, 4, 5].map((type) => attributeNumber(bytes, at[type] ?? 0))).toEqual([
      0, 0xfe, 0x1234, 0xffffffff, 0, 1,
    ])
  })

  it('is text, with and without NUL', () => {
    const at = findAttributes(texts, 0, texts.length)
    expect([0, 1, 2].map((type) => attributeText(texts, at[type] ?? 0))).toEqual(['', 'eth0', 'lo'])
  })

  it('is bytes, or undefined if there is none', () => {
    expect(attributeBytes(texts, 4)).toEqual(bytesOf('65746830'))
    expect(attributeBytes(texts, 0)).toBeUndefined()
  })
})
