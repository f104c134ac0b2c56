/** The first module of the lean build: what those behind it find on the language's objects. */

import {
  arrayMethods,
  mapMethods,
  mathMethods,
  setMethods,
  stringMethods,
  typedArrayFunctions,
} from './methods.ts'

Object.assign(Array.prototype, arrayMethods)
Object.assign(String.prototype, stringMethods)
Object.assign(Map.prototype, mapMethods)
Object.assign(Set.prototype, setMethods)
Object.assign(Object.getPrototypeOf(Uint8Array), typedArrayFunctions)
Object.assign(Math, mathMethods)
