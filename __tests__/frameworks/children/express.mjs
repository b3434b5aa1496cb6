import express from 'express'
import { application, waysOf } from './express-app.mjs'

export const ways = waysOf(application(express, true))
export { close } from './express-app.mjs'
