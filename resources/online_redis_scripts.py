"""What Redis runs in one step, so that writes stay monotone under concurrent writers.

The hash of a view holds, besides the rows, fields that are no keys (an encoded key begins with a
byte that no text does): `names:<schema>`, the marker `synced`, and `others`, the number of these
but itself. They are in the same hash so that whoever loses the rows loses them too.
"""

_NOTE = b"""
local function note(field, value)
  if redis.call('hsetnx', KEYS[1], field, value) == 1 then
    redis.call('hincrby', KEYS[1], 'others', 1)
  end
end
"""

# KEYS: hash. ARGV: number of schemas, their fields and names, then key, expected order, row of
# each change. Returns how many took effect. Bytes are compared one by one: Lua's own string order
# follows the server's locale. Fields and values are passed on unpacked, of which Lua takes 8,000.
WRITE = (
    _NOTE
    + b"""
local function is_older(new, held)
  for i = 2, 19 do
    local x, y = new:byte(i), held:byte(i)
    if x ~= y then return x < y end
  end
  return false
end
local first = 2 + 2 * ARGV[1]
for i = 2, first - 1, 2 do note(ARGV[i], ARGV[i + 1]) end
local fields = {}
for i = first, #ARGV, 3 do fields[#fields + 1] = ARGV[i] end
local held = {}
for i, row in ipairs(redis.call('hmget', KEYS[1], unpack(fields))) do held[fields[i]] = row end
local touched, applied = {}, 0
for i = first, #ARGV, 3 do
  local field, expected, row = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local current = held[field]
  local is_expected = current and expected ~= '' and current:sub(2, 19) == expected
  if is_expected or (row ~= '' and not (current and is_older(row, current))) then
    held[field] = row ~= '' and row
    touched[field] = true
    applied = applied + 1
  end
end
local put, gone = {}, {}
for field in pairs(touched) do
  if held[field] then
    put[#put + 1] = field
    put[#put + 1] = held[field]
  else
    gone[#gone + 1] = field
  end
end
if #put > 0 then redis.call('hset', KEYS[1], unpack(put)) end
if #gone > 0 then redis.call('hdel', KEYS[1], unpack(gone)) end
return applied
"""
)

# KEYS: hash. Returns the number of rows.
COUNT = b"""
local others = redis.call('hget', KEYS[1], 'others')
return redis.call('hlen', KEYS[1]) - (others and others + 1 or 0)
"""

# KEYS: hash, sync state. ARGV: day, state, ... A state whose hash has gone was of other rows.
MARK = (
    _NOTE
    + b"""
if redis.call('hexists', KEYS[1], 'synced') == 0 then redis.call('unlink', KEYS[2]) end
note('synced', '')
redis.call('hset', KEYS[2], unpack(ARGV))
"""
)

# KEYS: hash, sync state. Returns day, state, ...
SYNCED = b"""
if redis.call('hexists', KEYS[1], 'synced') == 0 then return {} end
return redis.call('hgetall', KEYS[2])
"""
