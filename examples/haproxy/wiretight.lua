-- Asks Wiretight about a request. The variable txn.wiretight is "allowed" after an
-- answer of 200, and nothing else allows: an error in here ends this script, not the
-- request, so that haproxy.cfg must look at the variable.

local authorizer = "http://127.0.0.1:9181"
local patience = 2000 -- milliseconds. HAProxy asks up to four times before it gives up

-- The headers that say who calls. Each is in every answer, empty where there is
-- nothing to say, and replaces what the client has sent.
local identity = {
    "authorization", "dpop", "cookie",
    "x-auth-subject", "x-auth-issuer", "x-auth-scopes", "x-auth-client", "x-auth-claims",
}

-- What else an application may believe, and a client may not say. Extend it by what
-- yours believes.
local believed = {
    "forwarded", "x-forwarded-", "x-real-ip", "x-client-ip", "true-client-ip", "x-original-", "x-rewrite-",
    "x-remote-user", "remote-user", "x-http-method", "x-method-override", "x-client-cert", "x-ssl-", "ssl-client-",
    "x-auth-", "x-wiretight-", "x-url-scheme", "x-scheme", "x-host", "x-script-name", "proxy",
}

-- What concerns this connection, or a body that stays here.
local own = {
    ["connection"] = true, ["keep-alive"] = true, ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true,
    ["content-length"] = true, ["expect"] = true, ["upgrade"] = true, ["proxy-connection"] = true,
    ["host"] = true, ["http2-settings"] = true,
}

local function is_believed(name)
    for _, b in ipairs(believed) do
        if name:sub(1, #b) == b then
            return true
        end
    end
    return false
end

-- question is the client's headers and what was asked of us. Names come in lower
-- case from HAProxy, lists begin at 0.
local function question(txn)
    local headers, count = {}, {}
    for name, values in pairs(txn.http:req_get_headers()) do
        local list = {}
        for i = 0, #values do
            list[#list + 1] = values[i]
        end
        count[name] = #list
        -- A name with an underscore or a dot is another one to us, and to many
        -- applications the same.
        if name:find("[^a-z0-9-]") or is_believed(name) then
            txn.http:req_del_header(name)
        elseif not own[name] then
            headers[name] = list
        end
    end
    if count["host"] ~= 1 then
        return nil
    end
    headers["x-forwarded-method"] = { txn.f:method() }
    headers["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" }
    headers["x-forwarded-host"] = { txn.f:req_fhdr("host") }
    headers["x-forwarded-uri"] = { txn.f:pathq() } -- as it came
    headers["x-forwarded-for"] = { txn.f:src() }
    return headers
end

-- first is a header's value in an answer.
local function first(headers, name)
    local values = headers[name]
    return values and (values[0] or values[1]) or ""
end

-- answer ends the request with what came from Wiretight.
local function answer(txn, res)
    local reply = txn:reply({ status = res.status })
    for name, values in pairs(res.headers or {}) do
        if not own[name] then
            for i = 0, #values do
                if values[i] then
                    reply:add_header(name, values[i])
                end
            end
        end
    end
    reply:set_body(res.body or "")
    txn:done(reply)
end

local function remember(txn, variable, value)
    if value ~= "" then
        txn:set_var("txn.wiretight_" .. variable, value)
    end
end

core.register_action("wiretight", { "http-req" }, function(txn)
    local headers = question(txn)
    if not headers then
        return
    end
    local preflight = txn.f:method() == "OPTIONS" and headers["origin"] and headers["access-control-request-method"]
    local res = core.httpclient():get({
        url = authorizer .. (preflight and "/preflight" or "/authorize"),
        headers = headers,
        timeout = patience,
    })
    if not res or not res.status or res.status < 200 then
        return
    end
    -- A preflight has no token and must not reach the application, whatever the answer.
    if preflight or res.status ~= 200 then
        answer(txn, res)
        return
    end
    for _, name in ipairs(identity) do
        local value = first(res.headers, name)
        if value == "" then
            txn.http:req_del_header(name)
        else
            txn.http:req_set_header(name, value)
        end
    end
    remember(txn, "origin", first(res.headers, "access-control-allow-origin"))
    remember(txn, "credentials", first(res.headers, "access-control-allow-credentials"))
    remember(txn, "expose", first(res.headers, "access-control-expose-headers"))
    remember(txn, "hsts", first(res.headers, "strict-transport-security"))
    txn:set_var("txn.wiretight", "allowed")
end)
