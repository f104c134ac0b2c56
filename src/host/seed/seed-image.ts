/**
 * Makes a seed's disk: a FAT12 or FAT16 file system with long names, labelled `cidata`, by Microsoft's "FAT32 File System
 * Specification" 1.03 (fatgen103), whose field names are used. Pure: the same files give the same bytes, without times
 * or a serial number.
 */

import { type Bytes, putU16, putU32 } from '../../lib/bytes.ts'
import { MAX_FILE_SIZE } from '../../lib/limits.ts'
import { refusal, show } from './checks.ts'

const MOST_FILES = 100

const SECTOR = 512
const ENTRY = 32
const FATS = 2
/** The boot sector. */
const RESERVED = 1
const MEDIA = 0xf8
const LABEL = 'CIDATA'
const SERIAL = 0xc1da7a00

/** A geometry that divides the size evenly, as mtools requires. */
const SECTORS_PER_TRACK = 32
const HEADS = 2
const CYLINDER = SECTORS_PER_TRACK * HEADS
/** 64 KB. */
const FEWEST_SECTORS = 2 * CYLINDER

/** 1980-01-01, FAT's first day. */
const DATE = 0x21

const ATTR_VOLUME_ID = 0x08
const ATTR_ARCHIVE = 0x20
/** Read-only, hidden, system and volume at once: readers without long names skip such an entry. */
const ATTR_LONG_NAME = 0x0f

interface File {
  readonly name: string
  /** Base and extension, padded with blanks to 11 characters. */
  readonly shortName: string
  readonly content: Uint8Array
}

interface Layout {
  readonly isFat12: boolean
  readonly sectorsPerCluster: number
  readonly fatSectors: number
  readonly rootEntries: number
  /** Of the whole image. */
  readonly sectors: number
  /** Where the root directory and the first cluster start. */
  readonly rootSector: number
  readonly dataSector: number
}

/**
 * @param files by name: at most 100, names in ASCII, at most 1 MB each; texts are written as UTF-8
 * @returns an image as small as the files allow, at least 64 KB
 * @throws RangeError for other files
 */
export function seedImage(files: Readonly<Record<string, string | Uint8Array>>): Uint8Array {
  const all = readFiles(files)
  const layout = layOut(all)
  const image = new Uint8Array(layout.sectors * SECTOR)
  writeBootSector(image, layout)
  const links: number[] = [0xff00 | MEDIA, 0xffff]
  let at = writeVolumeEntry(image, layout.rootSector * SECTOR)
  for (const file of all) {
    const first = file.content.length === 0 ? 0 : links.length
    at = writeDirectoryEntries(image, at, file, first)
    writeContent(image, layout, file.content, links)
  }
  for (let copy = 0; copy < FATS; copy++) {
    writeFat(image, (RESERVED + copy * layout.fatSectors) * SECTOR, links, layout.isFat12)
  }
  return image
}

function readFiles(files: Readonly<Record<string, string | Uint8Array>>): readonly File[] {
  const entries = Object.entries(files)
  if (entries.length > MOST_FILES)
    throw refusal('a seed', `${entries.length} files; at most ${MOST_FILES} fit`)
  const names = new Set<string>()
  const shortNames = new Set<string>()
  return entries.map(([name, content]) => {
    checkName(name, names)
    const bytes = typeof content === 'string' ? encode(name, content) : content
    if (bytes.length > MAX_FILE_SIZE)
      throw refusal(show(name), `${bytes.length} bytes; PID 1 reads at most ${MAX_FILE_SIZE}`)
    return { name, shortName: shortNameOf(name, shortNames), content: bytes }
  })
}

/** FAT allows more, but by the reader's code page and with special rules for trailing blanks and dots. */
function checkName(name: string, names: Set<string>): void {
  if (!/^[\w-][\w.-]{0,254}$/.test(name) || name.endsWith('.'))
    throw refusal(show(name), 'not a file name of letters, digits, -, _ and .')
  if (names.has(name.toLowerCase()))
    throw refusal(show(name), 'another file has this name, as FAT ignores case')
  names.add(name.toLowerCase())
}

function encode(name: string, content: string): Uint8Array {
  if (!content.isWellFormed())
    throw refusal(show(name), 'contains half a surrogate pair, which UTF-8 cannot encode')
  return new TextEncoder().encode(content)
}

/** "The Basis-Name Generation Algorithm": a name for readers without long names, made unique by `~1`, `~2`, … */
function shortNameOf(name: string, taken: Set<string>): string {
  const upper = name.toUpperCase()
  const dot = upper.includes('.') ? upper.lastIndexOf('.') : upper.length
  const base = upper.slice(0, dot).replaceAll('.', '')
  const extension = upper.slice(dot + 1)
  const isShort = base.length <= 8 && base.length === dot && extension.length <= 3
  for (let number = isShort ? 0 : 1; ; number++) {
    const tail = number === 0 ? '' : `~${number}`
    const short = (base.slice(0, 8 - tail.length) + tail).padEnd(8) + extension.slice(0, 3).padEnd(3)
    if (taken.has(short)) continue
    taken.add(short)
    return short
  }
}

/** Directory entries that a file takes: its own, and one for each 13 characters of its name. */
const entryCount = ({ name }: File): number => 1 + Math.ceil(name.length / LONG_NAME_PLACES.length)

/**
 * Only the number of clusters determines a FAT's type: below 4085 it is FAT12, below 65525 FAT16. As the specification
 * advises, both limits are avoided, since drivers are off by a few.
 */
const MOST_FAT12 = 4000
const FEWEST_FAT16 = 4150
const MOST_FAT16 = 65_000

function layOut(files: readonly File[]): Layout {
  const entries = files.reduce((sum, file) => sum + entryCount(file), 1)
  // The specification asks for 512 on FAT16, for compatibility.
  const rootEntries = Math.max(512, roundUp(entries, SECTOR / ENTRY))
  const rootSectors = (rootEntries * ENTRY) / SECTOR
  const sectorsPerCluster = [1, 2].find((count) => clustersOf(files, count) <= MOST_FAT16) ?? 4
  const needed = clustersOf(files, sectorsPerCluster)
  const isFat12 = needed <= MOST_FAT12
  const clusters = isFat12 ? needed : Math.max(needed, FEWEST_FAT16)
  // Rounding up adds clusters, which need room as well.
  const links = clusters + FEWEST_SECTORS + 2
  const fatSectors = Math.ceil((links * (isFat12 ? 1.5 : 2)) / SECTOR)
  const rootSector = RESERVED + FATS * fatSectors
  const dataSector = rootSector + rootSectors
  const sectors = roundUp(dataSector + clusters * sectorsPerCluster, CYLINDER)
  return {
    isFat12,
    sectorsPerCluster,
    fatSectors,
    rootEntries,
    sectors: Math.max(FEWEST_SECTORS, sectors),
    rootSector,
    dataSector,
  }
}

function clustersOf(files: readonly File[], sectorsPerCluster: number): number {
  const size = sectorsPerCluster * SECTOR
  return files.reduce((sum, { content }) => sum + Math.ceil(content.length / size), 0)
}

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step

/** "Boot Sector and BPB Structure". Other fields are 0. */
function writeBootSector(image: Bytes, layout: Layout): void {
  image.set([0xeb, 0x3c, 0x90]) // BS_jmpBoot
  putText(image, 3, 'MSWIN4.1') // BS_OEMName: what the specification recommends
  putU16(image, 11, SECTOR) // BPB_BytsPerSec
  image[13] = layout.sectorsPerCluster // BPB_SecPerClus
  putU16(image, 14, RESERVED) // BPB_RsvdSecCnt
  image[16] = FATS // BPB_NumFATs
  putU16(image, 17, layout.rootEntries) // BPB_RootEntCnt
  // BPB_TotSec16, or BPB_TotSec32 if that is too small
  if (layout.sectors < 0x10000) putU16(image, 19, layout.sectors)
  else putU32(image, 32, layout.sectors)
  image[21] = MEDIA // BPB_Media
  putU16(image, 22, layout.fatSectors) // BPB_FATSz16
  putU16(image, 24, SECTORS_PER_TRACK) // BPB_SecPerTrk
  putU16(image, 26, HEADS) // BPB_NumHeads
  image[36] = 0x80 // BS_DrvNum
  image[38] = 0x29 // BS_BootSig: the next three are there
  putU32(image, 39, SERIAL) // BS_VolID
  putText(image, 43, LABEL.padEnd(11)) // BS_VolLab
  putText(image, 54, layout.isFat12 ? 'FAT12   ' : 'FAT16   ') // BS_FilSysType
  putU16(image, 510, 0xaa55) // Signature_word
}

/**
 * The label again, since some readers look for it only in the root directory.
 * @returns where the next entry belongs
 */
function writeVolumeEntry(image: Bytes, at: number): number {
  putText(image, at, LABEL.padEnd(11))
  image[at + 11] = ATTR_VOLUME_ID
  putU16(image, at + 24, DATE) // DIR_WrtDate
  return at + ENTRY
}

/** Where the characters are in an entry of a long name: LDIR_Name1, 2 and 3. */
const LONG_NAME_PLACES = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30]

/** "FAT Long Directory Entries": the end of the name comes first, the short entry last. */
function writeDirectoryEntries(image: Bytes, start: number, file: File, cluster: number): number {
  const count = entryCount(file) - 1
  const checksum = checksumOf(file.shortName)
  let at = start
  for (let order = count; order > 0; order--, at += ENTRY) {
    image[at] = order === count ? order | 0x40 : order // LDIR_Ord, with LAST_LONG_ENTRY
    image[at + 11] = ATTR_LONG_NAME
    image[at + 13] = checksum
    LONG_NAME_PLACES.forEach((place, index) => {
      putU16(image, at + place, longNameUnit(file.name, (order - 1) * LONG_NAME_PLACES.length + index))
    })
  }
  putText(image, at, file.shortName)
  image[at + 11] = ATTR_ARCHIVE
  putU16(image, at + 16, DATE) // DIR_CrtDate
  putU16(image, at + 18, DATE) // DIR_LstAccDate
  putU16(image, at + 24, DATE) // DIR_WrtDate
  putU16(image, at + 26, cluster) // DIR_FstClusLO
  putU32(image, at + 28, file.content.length) // DIR_FileSize
  return at + ENTRY
}

/** A name that doesn't fill its entries is followed by a NUL and then by 0xffff. */
function longNameUnit(name: string, index: number): number {
  if (index < name.length) return name.charCodeAt(index)
  return index === name.length ? 0 : 0xffff
}

/** ChkSum(): ties a long name to the short one that follows it. */
function checksumOf(shortName: string): number {
  let sum = 0
  for (let i = 0; i < shortName.length; i++) {
    sum = (((sum & 1) << 7) + (sum >> 1) + shortName.charCodeAt(i)) & 0xff
  }
  return sum
}

/** Puts a file into the next free clusters and links them in the FAT. */
function writeContent(image: Bytes, layout: Layout, content: Uint8Array, links: number[]): void {
  const size = layout.sectorsPerCluster * SECTOR
  // The first cluster has the number 2.
  image.set(content, layout.dataSector * SECTOR + (links.length - 2) * size)
  for (let left = content.length; left > 0; left -= size) {
    links.push(left > size ? links.length + 1 : 0xffff)
  }
}

/** Numbers of 16 bits, or of 12: two of these share three bytes. */
function writeFat(image: Bytes, start: number, links: readonly number[], isFat12: boolean): void {
  links.forEach((link, index) => {
    if (!isFat12) {
      putU16(image, start + index * 2, link)
      return
    }
    const at = start + Math.floor(index * 1.5)
    const isOdd = index % 2 === 1
    image[at] = isOdd ? (image[at] ?? 0) | ((link & 0x0f) << 4) : link
    image[at + 1] = isOdd ? link >> 4 : (link >> 8) & 0x0f
  })
}

function putText(image: Bytes, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) image[at + i] = text.charCodeAt(i)
}
