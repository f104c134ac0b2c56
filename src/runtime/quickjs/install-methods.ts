/** The first module of the lean build: what those behind it find on the language's objects. */

import {
  arrayMethods,
  collectionMethods,
  mathMethods,
  stringMethods,
  typedArrayFunctions,
} from './methods.ts'

Object.assign(Array.prototype, arrayMethods)
Object.assign(String.prototype, stringMethods)
Object.assign(Map.prototype, collectionMethods)
Object.assign(Set.prototype, collectionMethods)
Object.assign(Object.getPrototypeOf(Uint8Array), typedArrayFunctions)
Object.assign(Math, mathMethods)
