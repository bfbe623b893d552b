"""Who is told, and how: one channel a file behind one small contract.

    Notice --Dispatcher--> a bounded queue and a thread a channel --Channel.send--> Apprise | webhook | Alertmanager | file
               |                                    |
               |                                    +- fails: again after 1, 4, 16 s; then counted as failed
               +- not for this channel, said already, too many, queue full: counted, never waited for

A channel is made from its URL (channels.py); `${NAME}` in it is taken from the environment when it is made, and no URL is
ever shown or logged but masked (urls.py).
"""
