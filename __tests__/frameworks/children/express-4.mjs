import express from 'express-4'
import { application, waysOf } from './express-app.mjs'

export const ways = waysOf(application(express, false))
export { close } from './express-app.mjs'
